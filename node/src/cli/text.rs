//! Text from machines, made fit for a terminal: a name, a title or a message never moves the
//! cursor, changes colours or turns the direction of a line.

use gantline_protocol::name::is_deceptive;

/// One line of text: what can't be seen becomes `\u{fffd}`.
pub(super) fn line(text: &str) -> String {
    text.chars().map(|c| if is_deceptive(c) { '\u{fffd}' } else { c }).collect()
}

/// Several lines of text.
pub(super) fn lines(text: &str) -> String {
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// One line, cut to `width` characters.
pub(super) fn cut(text: &str, width: usize) -> String {
    let text = line(text);
    if text.chars().count() <= width {
        return text;
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// Rows as columns, each as wide as its widest cell, two spaces apart.
pub(super) fn columns(rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        for (place, cell) in row.iter().enumerate() {
            let width = cell.chars().count();
            match widths.get_mut(place) {
                Some(widest) => *widest = width.max(*widest),
                None => widths.push(width),
            }
        }
    }
    let mut out = String::new();
    for row in rows {
        let mut written = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            written.push_str(&format!("{cell:width$}  "));
        }
        out.push_str(written.trim_end());
        out.push('\n');
    }
    out
}

/// Rows as programs read them: cells with tabs between them.
pub(super) fn tabs(rows: &[Vec<String>]) -> String {
    rows.iter().map(|row| format!("{}\n", row.join("\t"))).collect()
}

/// A duration as people say it, of one unit: `3 s`, `2 h`.
pub(super) fn span(duration: std::time::Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min", seconds / 60),
        seconds @ 3600..86_400 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

/// A time in microseconds as people say it: `0.35 ms`, `12.4 ms`, `210 ms`.
pub(super) fn millis(micros: u64) -> String {
    let millis = micros as f64 / 1e3;
    match micros {
        0..10_000 => format!("{millis:.2} ms"),
        10_000..100_000 => format!("{millis:.1} ms"),
        100_000.. => format!("{millis:.0} ms"),
    }
}

/// Arguments as one would type them, for people to read.
pub(super) fn command(items: &[String]) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:=@%+,".contains(c);
    let word = |item: &String| match !item.is_empty() && item.chars().all(plain) {
        true => item.clone(),
        false => format!("'{}'", item.replace('\'', "'\\''")),
    };
    items.iter().map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_from_a_stranger_cannot_draw_on_the_terminal() {
        assert_eq!(
            line("a\u{1b}[2Jb\u{202e}c\rd\u{9b}1m"),
            "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d\u{fffd}1m"
        );
        assert_eq!(lines("a\nb\u{7}"), "a\nb\u{fffd}");
        assert_eq!(line("Zoë 日本"), "Zoë 日本");
    }

    #[test]
    fn a_table_stays_a_table() {
        let row = |a: &str, b: &str| vec![a.to_owned(), b.to_owned()];
        assert_eq!(columns(&[row("a", "b"), row("long", "")]), "a     b\nlong\n");
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("abcd", 4), "abcd");
    }

    #[test]
    fn a_command_is_shown_as_it_could_be_typed() {
        let items = ["sh", "-c", "echo 'a b'", ""].map(str::to_owned);
        assert_eq!(command(&items), r"sh -c 'echo '\''a b'\''' ''");
    }
}

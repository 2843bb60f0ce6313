//! The length-value encoding of CPace (draft-irtf-cfrg-cpace-21, appendix A): each value is
//! preceded by its length as unsigned LEB128. Prologues and CPace inputs are built from it.

/// Appends `value` with its length in front.
pub fn push(out: &mut Vec<u8>, value: &[u8]) {
    push_length(out, value.len());
    out.extend_from_slice(value);
}

/// All `values`, each with its length in front.
#[must_use]
pub fn concat(values: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::with_capacity(values.iter().map(|v| v.len() + 2).sum());
    for value in values {
        push(&mut out, value);
    }
    out
}

/// How many bytes the length of a value of `length` bytes takes.
#[must_use]
pub fn length_size(length: usize) -> usize {
    let mut out = Vec::with_capacity(4);
    push_length(&mut out, length);
    out.len()
}

fn push_length(out: &mut Vec<u8>, mut length: usize) {
    loop {
        let low = (length & 0x7f) as u8;
        length >>= 7;
        if length == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_borders_so_that_no_two_inputs_collide() {
        assert_eq!(concat(&[b"1234", b"5", b"", b"678"]), b"\x041234\x015\x00\x03678");
        assert_ne!(concat(&[b"ab", b"c"]), concat(&[b"a", b"bc"]));
    }

    #[test]
    fn a_length_above_127_takes_two_bytes() {
        let long = vec![7u8; 128];
        let encoded = concat(&[&long]);
        assert_eq!(&encoded[..2], &[0x80, 0x01]);
        assert_eq!(encoded.len(), 130);
        assert_eq!((length_size(127), length_size(128)), (1, 2));
    }
}

//! Figures of many rounds, and how they are told.

#[derive(Default)]
pub(crate) struct Figures {
    pub(crate) ours: Vec<f64>,
    pub(crate) bare: Vec<f64>,
    pub(crate) raw: Vec<f64>,
}

impl Figures {
    /// In bytes per second.
    pub(crate) fn tell_rate(&mut self, what: &str) {
        let ours = quantile(&mut self.ours, 0.5);
        let (low, high) = (quantile(&mut self.ours, 0.25), quantile(&mut self.ours, 0.75));
        let bare = quantile(&mut self.bare, 0.5);
        print!(
            "{what}: {:.0} MB/s ({:.0} to {:.0}), x {:.2} of the bare splice's {:.0}",
            ours / 1e6,
            low / 1e6,
            high / 1e6,
            ours / bare,
            bare / 1e6
        );
        match self.raw.is_empty() {
            true => println!(),
            false => {
                let raw = quantile(&mut self.raw, 0.5);
                println!(", x {:.3} of raw loopback's {:.0}", ours / raw, raw / 1e6);
            }
        }
    }
}

#[derive(Default)]
pub(crate) struct Echoes {
    pub(crate) ours: Vec<f64>,
    pub(crate) bare: Vec<f64>,
    pub(crate) raw: Vec<f64>,
}

impl Echoes {
    /// In microseconds.
    pub(crate) fn tell(&mut self, what: &str) {
        let both = |of: &mut Vec<f64>| (quantile(of, 0.5), quantile(of, 0.99));
        let (ours, bare, raw) = (both(&mut self.ours), both(&mut self.bare), both(&mut self.raw));
        println!(
            "{what}: p50 {:.0} us, p99 {:.0} us; bare splice {:.0} and {:.0}; raw loopback {:.0} and {:.0}; p50 x {:.2} of the bare splice",
            ours.0,
            ours.1,
            bare.0,
            bare.1,
            raw.0,
            raw.1,
            ours.0 / bare.0
        );
    }
}

pub(crate) fn quantile(values: &mut [f64], at: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * at).round() as usize]
}

//! Where the random attacks strike, and how many there are.

use std::env;

/// Random attacks of one test.
pub(crate) fn rounds() -> usize {
    match env::var("GANTLINE_TIER").as_deref() {
        Ok("bars" | "soak") => 400,
        Ok(_) | Err(_) => 40,
    }
}

/// Random numbers; the same in every run of every day, others in each long run.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new() -> Self {
        let seed = match (env::var("GANTLINE_SEED"), env::var("GANTLINE_TIER").as_deref()) {
            (Ok(text), _) => text.parse().expect("GANTLINE_SEED is a number"),
            (Err(_), Ok("bars" | "soak")) => getrandom::u64().unwrap(),
            (Err(_), Ok(_) | Err(_)) => 1,
        };
        eprintln!("hostile relay: GANTLINE_SEED={seed}");
        Self(seed)
    }

    /// A number below `bound` (splitmix64).
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) % bound as u64) as usize
    }
}

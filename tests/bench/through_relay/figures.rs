//! Figures: what many rounds gave, with their spread, and ratios of two that were measured in turn.

use serde::Serialize;

/// A median, and the range of the middle half of what it is the median of.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Figure {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Figure {
    /// `None` of nothing.
    pub(crate) fn of(samples: &[f64]) -> Option<Self> {
        Some(Self {
            median: quantile(samples, 0.5)?,
            low: quantile(samples, 0.25)?,
            high: quantile(samples, 0.75)?,
        })
    }

    /// The ratio of two, round by round: what slows a whole round slows both.
    pub(crate) fn ratio(of: &[f64], to: &[f64]) -> Option<Self> {
        let ratios: Vec<_> = of.iter().zip(to).map(|(of, to)| of / to).collect();
        Self::of(&ratios)
    }
}

/// The value below which this share of `samples` lies.
pub(crate) fn quantile(samples: &[f64], share: f64) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    sorted.get((last as f64 * share).round() as usize).copied()
}

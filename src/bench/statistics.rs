//! Percentiles of measured times.

/// The smallest of `sorted` that at least `percent` of all values do not exceed (nearest rank); 0 if there is none.
pub(super) fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::float_cmp, reason = "a percentile is one of the values, not a computed one")]
    fn percentiles_are_measured_values() {
        let times: Vec<f64> = (1..=100).map(f64::from).collect();
        let of = |percent| percentile(&times, percent);
        assert_eq!([of(50), of(95), of(99)], [50.0, 95.0, 99.0]);
        assert_eq!(
            [percentile(&[7.0], 50), percentile(&[7.0], 99), percentile(&[], 50)],
            [7.0, 7.0, 0.0]
        );
        assert_eq!(percentile(&[1.0, 2.0, 3.0], 50), 2.0);
    }
}

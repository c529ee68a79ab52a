//! Percentiles of run times.

/// The percentiles for one batch size, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Percentiles {
    pub(super) p50: f64,
    pub(super) p95: f64,
    pub(super) p99: f64,
}

/// Returns percentiles by nearest rank: each one is a measured time. Returns `None` if there are no runs.
pub(super) fn percentiles(times: &[f64]) -> Option<Percentiles> {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    Some(Percentiles {
        p50: nearest_rank(&sorted, 50)?,
        p95: nearest_rank(&sorted, 95)?,
        p99: nearest_rank(&sorted, 99)?,
    })
}

fn nearest_rank(sorted: &[f64], percent: usize) -> Option<f64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_measured_times_by_nearest_rank() {
        let times: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        let of_200 = percentiles(&times).expect("there are runs");
        assert_eq!((of_200.p50, of_200.p95, of_200.p99), (100.0, 190.0, 198.0));
        let of_20 = percentiles(&times[..20]).expect("there are runs");
        assert_eq!((of_20.p50, of_20.p95, of_20.p99), (190.0, 199.0, 200.0));
    }

    #[test]
    fn one_slow_run_is_every_percentile() {
        let one = percentiles(&[7.5]).expect("there is a run");
        assert_eq!((one.p50, one.p95, one.p99), (7.5, 7.5, 7.5));
        assert_eq!(percentiles(&[]), None);
    }
}

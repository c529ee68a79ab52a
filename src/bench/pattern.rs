//! Inputs that are the same everywhere: a few integer operations, exact in single precision.

/// Number `index` of the pattern, from 0 up to but not 1. The script that made the reference has the same line.
#[expect(clippy::cast_precision_loss, reason = "16 bits fit")]
pub(super) fn pattern(index: usize) -> f32 {
    let mixed = (index as u64 * 40503 + 12345) % 65536;
    mixed as f32 / 65536.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pattern_is_the_scripts() {
        // From `pattern(4)` and `pattern(384 * 384)[-1]` in scripts/make-bench-model.py.
        let first: Vec<f32> = (0..4).map(pattern).collect();
        assert_eq!(first, [0.188_369_75, 0.806_396_5, 0.424_423_22, 0.042_449_95]);
    }
}

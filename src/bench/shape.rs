//! The values of `--shape`: sizes for the open axes of a model.

use std::{fmt, str::FromStr};

/// The shape of one input, such as `images=1x1x384x384`, or `1x1x384x384` for the only input of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// The name of the input. Empty for the only input.
    pub input: String,
    /// Its size along each axis.
    pub axes: Vec<u64>,
}

/// An error in a shape.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// The size of an axis is not a positive number.
    #[error("invalid axis size `{0}`: use positive numbers, such as 1x1x384x384")]
    Axis(String),
    /// There is no name before the equals sign.
    #[error("missing input name before `=`")]
    NoName,
}

impl FromStr for Shape {
    type Err = ShapeError;

    fn from_str(text: &str) -> Result<Self, ShapeError> {
        // Input names may contain an equals sign. Sizes never do.
        let (input, sizes) = match text.rsplit_once('=') {
            Some(("", _)) => return Err(ShapeError::NoName),
            Some((name, sizes)) => (name, sizes),
            None => ("", text),
        };
        let axes = sizes
            .split('x')
            .map(|size| match size.parse() {
                Ok(0) | Err(_) => Err(ShapeError::Axis(size.to_owned())),
                Ok(size) => Ok(size),
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            input: input.to_owned(),
            axes,
        })
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.input.is_empty() {
            write!(f, "{}=", self.input)?;
        }
        f.write_str(&axes(&self.axes))
    }
}

/// Formats sizes as on the command line: `1x1x384x384`.
pub(super) fn axes<T: ToString>(sizes: &[T]) -> String {
    sizes.iter().map(T::to_string).collect::<Vec<_>>().join("x")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_without_a_name_is_for_the_only_input() {
        let named: Shape = "images:0=1x1x384x384".parse().expect("a shape");
        assert_eq!(named.input, "images:0");
        assert_eq!(named.axes, [1, 1, 384, 384]);
        assert_eq!(named.to_string(), "images:0=1x1x384x384");
        let only: Shape = "5".parse().expect("a shape");
        assert_eq!((only.input.as_str(), only.axes), ("", vec![5]));
        let odd: Shape = "a=b=2x3".parse().expect("a shape");
        assert_eq!(odd.input, "a=b");
    }

    #[test]
    fn sizes_are_positive_numbers() {
        for (text, axis) in [("1x0x3", "0"), ("a=", ""), ("1x-1", "-1"), ("1,2", "1,2")] {
            assert_eq!(text.parse::<Shape>(), Err(ShapeError::Axis(axis.to_owned())), "{text}");
        }
        assert_eq!("=1x2".parse::<Shape>(), Err(ShapeError::NoName));
    }
}

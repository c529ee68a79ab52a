//! `--shape`: what a model's open axes are to be.

use std::{fmt, str::FromStr};

/// The shape of one input, as `images=1x1x384x384`, or `1x1x384x384` for a model's only input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// The input's name; empty for the only input.
    pub input: String,
    /// Its size along each axis.
    pub axes: Vec<u64>,
}

/// Why a text is no shape.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// An axis is no positive number.
    #[error("`{0}` is not the size of an axis: write sizes such as 1x1x384x384")]
    Axis(String),
    /// Nothing stands in front of the equals sign.
    #[error("no input is named before `=`")]
    NoName,
}

impl FromStr for Shape {
    type Err = ShapeError;

    fn from_str(text: &str) -> Result<Self, ShapeError> {
        // The names of inputs are free text, an equals sign included; sizes never hold one.
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

/// Sizes as they are typed: `1x1x384x384`.
pub(super) fn axes<T: ToString>(sizes: &[T]) -> String {
    sizes.iter().map(T::to_string).collect::<Vec<_>>().join("x")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_names_its_input_or_means_the_only_one() {
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

//! Creates the inputs of a model: names and types from its metadata, shapes from the command line, data from a formula.
//!
//! The tensors are the same in every run, on every machine. Real images are not needed: the speed of a network does not
//! depend on their content. The reference output was computed with the same formula.

use std::{collections::BTreeMap, fmt::Debug};

use half::f16;
use ort::value::{
    DynValue, IntoTensorElementType, Outlet, PrimitiveTensorElementType, Tensor, TensorElementType, ValueType,
};

use super::{protocol::Failure, shape::axes};

/// A generator of numbers in [0, 1) with 24 bits each, exact in float32. The same as in `scripts/make-bench-model.py`.
#[derive(Debug, Clone)]
pub(super) struct Numbers(u32);

impl Numbers {
    /// The numbers of the built-in image.
    pub(super) const IMAGE: Self = Self(1);
}

impl Iterator for Numbers {
    type Item = f32;

    fn next(&mut self) -> Option<f32> {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Some((self.0 >> 8) as f32 / 16_777_216.0)
    }
}

/// One axis of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Axis {
    /// The model defines its size.
    Fixed(u64),
    /// The model leaves its size open. The name may be empty.
    Open(String),
}

/// One input of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Input {
    /// The input name.
    pub(super) name: String,
    element: TensorElementType,
    axes: Vec<Axis>,
}

impl Input {
    /// Reads an input from the metadata of a model.
    pub(super) fn from_outlet(outlet: &Outlet) -> Result<Self, Failure> {
        let name = outlet.name().to_owned();
        let ValueType::Tensor {
            ty,
            shape,
            dimension_symbols,
        } = outlet.dtype()
        else {
            return Err(Failure::InputType {
                input: name,
                element: outlet.dtype().to_string(),
            });
        };
        let axes = shape
            .iter()
            .enumerate()
            .map(|(index, &size)| match u64::try_from(size) {
                Ok(size) => Axis::Fixed(size),
                Err(_) => Axis::Open(dimension_symbols.get(index).cloned().unwrap_or_default()),
            })
            .collect();
        Ok(Self {
            name,
            element: *ty,
            axes,
        })
    }

    /// Returns the shape for a batch size. Open axes get their size from `given`. An open first axis gets the batch
    /// size, multiplied by its size in `given` if there is one.
    pub(super) fn shape(&self, given: Option<&[u64]>, batch: u64) -> Result<Vec<u64>, Failure> {
        let Some(given) = given else {
            return self
                .axes
                .iter()
                .enumerate()
                .map(|(index, axis)| match axis {
                    Axis::Fixed(size) => Ok(*size),
                    Axis::Open(_) if index == 0 => Ok(batch),
                    Axis::Open(_) => Err(Failure::ShapeMissing {
                        input: self.name.clone(),
                        axes: self.describe(),
                    }),
                })
                .collect();
        };
        let fits = given.len() == self.axes.len()
            && self
                .axes
                .iter()
                .zip(given)
                .all(|(axis, size)| matches!(axis, Axis::Open(_)) || *axis == Axis::Fixed(*size));
        let wrong = || Failure::ShapeWrong {
            input: self.name.clone(),
            shape: axes(given),
            axes: self.describe(),
        };
        let mut shape = given.to_vec();
        if let (Some(Axis::Open(_)), Some(first)) = (self.axes.first(), shape.first_mut()) {
            *first = first.checked_mul(batch).ok_or_else(wrong)?;
        }
        if fits { Ok(shape) } else { Err(wrong()) }
    }

    /// Returns the names and sizes of the named open axes for a shape.
    pub(super) fn open_axes<'a>(&'a self, shape: &'a [u64]) -> impl Iterator<Item = (&'a str, u64)> {
        self.axes.iter().zip(shape).filter_map(|(axis, size)| match axis {
            Axis::Open(name) if !name.is_empty() => Some((name.as_str(), *size)),
            Axis::Open(_) | Axis::Fixed(_) => None,
        })
    }

    /// Creates a tensor of a shape. Each item of the first axis gets the same numbers: a batch repeats one image.
    pub(super) fn tensor(&self, shape: &[u64]) -> Result<DynValue, Failure> {
        let sizes: Option<Vec<usize>> = shape.iter().map(|&size| usize::try_from(size).ok()).collect();
        let wrong = || Failure::ShapeWrong {
            input: self.name.clone(),
            shape: axes(shape),
            axes: self.describe(),
        };
        let sizes = sizes.ok_or_else(wrong)?;
        let item = sizes
            .iter()
            .skip(1)
            .try_fold(1_usize, |product, &size| product.checked_mul(size))
            .ok_or_else(wrong)?;
        let items = sizes.first().copied().unwrap_or(1);
        items.checked_mul(item).ok_or_else(wrong)?;
        let data = Data { sizes, items, item };
        // Integers may be sizes or indices, so use 1: a 0 could be a divisor, a large number could be out of range.
        let tensor = match self.element {
            TensorElementType::Float32 => data.of(Numbers::IMAGE),
            TensorElementType::Float64 => data.of(Numbers::IMAGE.map(f64::from)),
            TensorElementType::Float16 => data.of(Numbers::IMAGE.map(f16::from_f32)),
            TensorElementType::Uint8 => data.of(Numbers::IMAGE.map(byte)),
            TensorElementType::Int8 => data.of(std::iter::repeat(1_i8)),
            TensorElementType::Uint16 => data.of(std::iter::repeat(1_u16)),
            TensorElementType::Int16 => data.of(std::iter::repeat(1_i16)),
            TensorElementType::Uint32 => data.of(std::iter::repeat(1_u32)),
            TensorElementType::Int32 => data.of(std::iter::repeat(1_i32)),
            TensorElementType::Uint64 => data.of(std::iter::repeat(1_u64)),
            TensorElementType::Int64 => data.of(std::iter::repeat(1_i64)),
            TensorElementType::Bool => data.of(std::iter::repeat(true)),
            other => {
                return Err(Failure::InputType {
                    input: self.name.clone(),
                    element: other.to_string(),
                });
            }
        };
        tensor.map_err(|error| Failure::Runtime {
            doing: format!("create data for the input `{}`", self.name),
            message: error.to_string(),
        })
    }

    fn describe(&self) -> String {
        let axes: Vec<_> = self
            .axes
            .iter()
            .map(|axis| match axis {
                Axis::Fixed(size) => size.to_string(),
                Axis::Open(name) if name.is_empty() => "?".to_owned(),
                Axis::Open(name) => name.clone(),
            })
            .collect();
        axes.join(" x ")
    }
}

/// Returns the given shape of `input`. A shape without a name belongs to the only input.
pub(super) fn given<'a>(shapes: &'a BTreeMap<String, Vec<u64>>, input: &Input, inputs: &[Input]) -> Option<&'a [u64]> {
    let unnamed = || (inputs.len() == 1).then(|| shapes.get("")).flatten();
    shapes.get(&input.name).or_else(unnamed).map(Vec::as_slice)
}

/// Checks whether each shape belongs to an input of the model.
pub(super) fn check_names(shapes: &BTreeMap<String, Vec<u64>>, inputs: &[Input]) -> Result<(), Failure> {
    let unknown = shapes.keys().find(|name| {
        let only = name.is_empty() && inputs.len() == 1;
        !only && inputs.iter().all(|input| input.name != **name)
    });
    unknown.map_or(Ok(()), |name| {
        Err(Failure::NoSuchInput {
            input: name.clone(),
            inputs: inputs.iter().map(|input| input.name.clone()).collect(),
        })
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number in [0, 1) times 256 fits a byte"
)]
fn byte(number: f32) -> u8 {
    (number * 256.0) as u8
}

struct Data {
    sizes: Vec<usize>,
    items: usize,
    item: usize,
}

impl Data {
    fn of<T>(&self, numbers: impl Iterator<Item = T>) -> ort::Result<DynValue>
    where
        T: PrimitiveTensorElementType + IntoTensorElementType + Copy + Debug + 'static,
    {
        let one: Vec<T> = numbers.take(self.item).collect();
        Ok(Tensor::from_array((self.sizes.clone(), one.repeat(self.items)))?.into_dyn())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(axes: &[Axis]) -> Input {
        Input {
            name: "images".to_owned(),
            element: TensorElementType::Float32,
            axes: axes.to_vec(),
        }
    }

    fn open(name: &str) -> Axis {
        Axis::Open(name.to_owned())
    }

    #[test]
    fn the_image_is_the_same_as_in_the_script() {
        let facts: serde_json::Value =
            serde_json::from_str(include_str!("../../assets/bench/unet.json")).expect("JSON");
        let image: Vec<f64> = Numbers::IMAGE.take(384 * 384).map(f64::from).collect();
        let starts: Vec<f64> = serde_json::from_value(facts["image_starts"].clone()).expect("numbers");
        assert_eq!(&image[..starts.len()], starts);
        assert_eq!(image.last().copied(), facts["image_ends"].as_f64());
    }

    #[test]
    fn an_open_first_axis_is_the_batch_and_others_need_a_shape() {
        let fixed = input(&[open("batch"), Axis::Fixed(1), Axis::Fixed(8)]);
        assert_eq!(fixed.shape(None, 4), Ok(vec![4, 1, 8]));
        let dynamic = input(&[open("batch"), Axis::Fixed(1), open("height"), open("")]);
        assert_eq!(
            dynamic.shape(None, 1),
            Err(Failure::ShapeMissing {
                input: "images".to_owned(),
                axes: "batch x 1 x height x ?".to_owned()
            })
        );
        assert_eq!(dynamic.shape(Some(&[2, 1, 16, 16]), 3), Ok(vec![6, 1, 16, 16]));
        let sizes: Vec<_> = dynamic.open_axes(&[6, 1, 16, 16]).collect();
        assert_eq!(sizes, [("batch", 6), ("height", 16)]);
    }

    #[test]
    fn a_shape_that_does_not_match_the_model_is_rejected() {
        let fixed = input(&[open("batch"), Axis::Fixed(1), open("height")]);
        for bad in [&[1, 1][..], &[1, 3, 16], &[u64::MAX, 1, 16]] {
            assert!(
                matches!(fixed.shape(Some(bad), 2), Err(Failure::ShapeWrong { .. })),
                "{bad:?}"
            );
        }
        assert!(matches!(
            fixed.tensor(&[u64::MAX, 1, 16]),
            Err(Failure::ShapeWrong { .. })
        ));
    }

    #[test]
    fn a_shape_without_a_name_needs_a_single_input() {
        let shapes = BTreeMap::from([(String::new(), vec![1])]);
        let one = [input(&[open("n")])];
        assert_eq!(check_names(&shapes, &one), Ok(()));
        assert_eq!(given(&shapes, &one[0], &one), Some(&[1][..]));
        let mut two = [one[0].clone(), one[0].clone()];
        two[1].name = "sizes".to_owned();
        assert!(matches!(check_names(&shapes, &two), Err(Failure::NoSuchInput { .. })));
        let typo = BTreeMap::from([("image".to_owned(), vec![1])]);
        assert!(matches!(check_names(&typo, &one), Err(Failure::NoSuchInput { .. })));
    }
}

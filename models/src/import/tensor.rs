//! A tensor that was taken out of its file: contiguous, single or half precision.

use super::classes::Element;
use super::error::ImportError;

/// Most elements of all tensors together: 256 MiB in single precision, three times a DenseNet-201.
pub(super) const MOST_ELEMENTS: usize = 64 << 20;

/// A tensor's numbers.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Data {
    F32(Vec<f32>),
    /// Bits of half precision numbers.
    F16(Vec<u16>),
}

/// A tensor.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tensor {
    pub shape: Vec<usize>,
    pub data: Data,
}

/// Numbers of a storage from its little-endian bytes, at these places.
fn numbers(bytes: &[u8], at: impl Iterator<Item = usize>, element: Element) -> Option<Data> {
    let width = element.bytes();
    let each = at.map(|n| &bytes[n * width..(n + 1) * width]);
    let word = |b: &[u8]| u16::from_le_bytes([b[0], b[1]]);
    let double = |b: &[u8]| f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]);
    Some(match element {
        Element::F32 => Data::F32(each.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()),
        Element::F16 => Data::F16(each.map(word).collect()),
        Element::Bf16 => Data::F32(each.map(|b| f32::from_bits(u32::from(word(b)) << 16)).collect()),
        Element::F64 => Data::F32(each.map(|b| double(b) as f32).collect()),
        Element::Other(_) => return None,
    })
}

/// Places of `count` elements in row-major order, each inside the storage as [`Tensor::gather`] checked.
fn places(offset: usize, count: usize, shape: &[usize], stride: &[usize]) -> impl Iterator<Item = usize> {
    let mut index = vec![0_usize; shape.len()];
    (0..count).map(move |_| {
        let place = offset + index.iter().zip(stride).map(|(n, stride)| n * stride).sum::<usize>();
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            if index[axis] < shape[axis] {
                break;
            }
            index[axis] = 0;
        }
        place
    })
}

impl Tensor {
    /// Takes the elements `offset + sum of index * stride` of a storage.
    ///
    /// # Errors
    /// [`ImportError::Tensor`] if they are not all there, or are no floating-point numbers.
    pub fn gather(
        name: &str,
        bytes: &[u8],
        element: Element,
        offset: u64,
        shape: &[usize],
        stride: &[usize],
    ) -> Result<Self, ImportError> {
        let fail = |problem: String| ImportError::tensor(name, problem);
        let count = shape.iter().try_fold(1_usize, |n, &size| n.checked_mul(size));
        let count = count.filter(|&n| n <= MOST_ELEMENTS).ok_or_else(|| {
            fail(format!("claims shape {shape:?}, more than the {MOST_ELEMENTS} elements that are read"))
        })?;
        let held = bytes.len() / element.bytes();
        let reach = shape
            .iter()
            .zip(stride)
            .try_fold(0_usize, |sum, (&size, &stride)| sum.checked_add(size.saturating_sub(1).checked_mul(stride)?));
        let last = usize::try_from(offset).ok().and_then(|offset| reach?.checked_add(offset));
        let offset = match last {
            Some(last) if count == 0 || last < held => offset as usize,
            _ => {
                return Err(fail(format!(
                    "shape {shape:?} at element {offset} reaches beyond its storage of {held} elements: the file is damaged"
                )));
            }
        };
        let data = numbers(bytes, places(offset, count, shape, stride), element)
            .ok_or_else(|| fail("holds integers; weights are floating-point numbers: save model.float()".to_owned()))?;
        Ok(Self { shape: shape.to_vec(), data })
    }

    /// Whether every number is finite.
    pub fn is_finite(&self) -> bool {
        match &self.data {
            Data::F32(values) => values.iter().all(|v| v.is_finite()),
            Data::F16(bits) => bits.iter().all(|b| b & 0x7c00 != 0x7c00),
        }
    }

    /// Whether every number is zero; also where there is none.
    pub fn is_zero(&self) -> bool {
        match &self.data {
            Data::F32(values) => values.iter().all(|v| *v == 0.0),
            Data::F16(bits) => bits.iter().all(|b| b & 0x7fff == 0),
        }
    }

    /// The numbers where they are in single precision.
    pub fn single(&self) -> Option<&[f32]> {
        match &self.data {
            Data::F32(values) => Some(values),
            Data::F16(_) => None,
        }
    }

    /// Little-endian bytes.
    pub fn bytes(&self) -> Vec<u8> {
        match &self.data {
            Data::F32(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Data::F16(bits) => bits.iter().flat_map(|v| v.to_le_bytes()).collect(),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn gather(shape: &[usize], stride: &[usize], offset: u64) -> Result<Tensor, ImportError> {
        let bytes: Vec<u8> = (0..12).flat_map(|n| (n as f32).to_le_bytes()).collect();
        Tensor::gather("w", &bytes, Element::F32, offset, shape, stride)
    }

    #[test]
    fn strides_are_followed() {
        let turned = gather(&[3, 2], &[1, 3], 1).unwrap();
        assert_eq!(turned.single().unwrap(), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
        assert_eq!(gather(&[], &[], 11).unwrap().single().unwrap(), [11.0]);
        assert!(gather(&[0, 5], &[5, 1], 0).unwrap().is_zero());
    }

    #[test]
    fn nothing_beyond_the_storage_is_read() {
        for (shape, stride, offset) in [
            (vec![13], vec![1], 0),
            (vec![2], vec![12], 0),
            (vec![1], vec![1], 12),
            (vec![1], vec![1], u64::MAX),
            (vec![2], vec![usize::MAX], 5),
            (vec![usize::MAX, 2], vec![0, 0], 0),
            (vec![MOST_ELEMENTS + 1], vec![0], 0),
        ] {
            let message = gather(&shape, &stride, offset).unwrap_err().to_string();
            assert!(message.starts_with("tensor w:") && message.contains("shape"), "{message}");
        }
    }

    #[test]
    fn other_precisions_become_single_and_half_stays() {
        let one = |bytes: &[u8], element| Tensor::gather("w", bytes, element, 0, &[1], &[1]);
        assert_eq!(one(&1.5_f64.to_le_bytes(), Element::F64).unwrap().single().unwrap(), [1.5]);
        assert_eq!(one(&[0xc0, 0x3f], Element::Bf16).unwrap().single().unwrap(), [1.5]);
        assert_eq!(one(&[0x00, 0x3e], Element::F16).unwrap().data, Data::F16(vec![0x3e00]));
        assert!(!one(&[0x00, 0x7e], Element::F16).unwrap().is_finite());
        assert!(one(&[1; 8], Element::Other(8)).unwrap_err().to_string().contains("integers"));
    }
}

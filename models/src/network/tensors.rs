//! The tensors of a weights file, each checked when it is taken.

use super::plain::NormRelu;
use candle_core::{DType, Device, Tensor};
use candle_nn::{Conv2d, Conv2dConfig};
use std::collections::HashMap;

const BN_EPSILON: f64 = 1e-5;

/// What is wrong with a tensor.
pub(crate) struct TensorProblem {
    pub tensor: String,
    pub problem: String,
}

/// The tensors of a weights file; each is taken once, and none may be left.
pub(crate) struct Tensors(HashMap<String, Tensor>);

impl Tensors {
    /// Parses a safetensors file without mapping it.
    pub fn parse(bytes: &[u8]) -> candle_core::Result<Self> {
        let mut tensors = candle_core::safetensors::load_buffer(bytes, &Device::Cpu)?;
        // Counters that PyTorch keeps for training.
        tensors.retain(|name, _| !name.ends_with(".num_batches_tracked"));
        Ok(Self(tensors))
    }

    pub(super) fn take(&mut self, name: &str, shape: &[usize]) -> Result<Tensor, TensorProblem> {
        let fail = |problem| TensorProblem { tensor: name.to_owned(), problem };
        let tensor = self.0.remove(name).ok_or_else(|| fail("missing from the weights".to_owned()))?;
        if tensor.dims() != shape {
            return Err(fail(format!("has shape {:?}, the architecture wants {shape:?}", tensor.dims())));
        }
        if !matches!(tensor.dtype(), DType::F32 | DType::F16) {
            return Err(fail(format!("is {:?}; F32 or F16 is wanted", tensor.dtype())));
        }
        let tensor = tensor.to_dtype(DType::F32).map_err(|e| fail(e.to_string()))?;
        let values = tensor.flatten_all().and_then(|t| t.to_vec1::<f32>()).map_err(|e| fail(e.to_string()))?;
        match values.iter().all(|v| v.is_finite()) {
            true => Ok(tensor),
            false => Err(fail("has a value that is not finite".to_owned())),
        }
    }

    fn vector(&mut self, name: &str, length: usize) -> Result<Vec<f32>, TensorProblem> {
        self.take(name, &[length])?
            .to_vec1()
            .map_err(|e| TensorProblem { tensor: name.to_owned(), problem: e.to_string() })
    }

    pub(super) fn conv(
        &mut self,
        name: &str,
        shape: [usize; 4],
        config: Conv2dConfig,
    ) -> Result<Conv2d, TensorProblem> {
        Ok(Conv2d::new(self.take(&format!("{name}.weight"), &shape)?, None, config))
    }

    pub(super) fn norm(&mut self, name: &str, channels: usize) -> Result<NormRelu, TensorProblem> {
        let mut part = |suffix: &str| self.vector(&format!("{name}.{suffix}"), channels);
        let (weight, bias) = (part("weight")?, part("bias")?);
        let (mean, variance) = (part("running_mean")?, part("running_var")?);
        let scale: Vec<f32> = weight
            .iter()
            .zip(&variance)
            .map(|(&w, &v)| (f64::from(w) / (f64::from(v) + BN_EPSILON).sqrt()) as f32)
            .collect();
        if scale.iter().any(|s| !s.is_finite()) {
            let problem = "has a negative variance".to_owned();
            return Err(TensorProblem { tensor: format!("{name}.running_var"), problem });
        }
        let shift = bias.iter().zip(&mean).zip(&scale).map(|((&b, &m), &s)| b - m * s).collect();
        Ok(NormRelu { scale, shift })
    }

    /// The name of a tensor that nobody took.
    pub(super) fn left_over(&self) -> Option<&String> {
        self.0.keys().min()
    }
}

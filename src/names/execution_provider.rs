use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An execution provider of ONNX Runtime: the part that runs a model on one kind of hardware.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ExecutionProvider {
    /// The CPU.
    #[serde(rename = "CPUExecutionProvider")]
    Cpu,
    /// CUDA on an NVIDIA GPU.
    #[serde(rename = "CUDAExecutionProvider")]
    Cuda,
    /// TensorRT on an NVIDIA GPU.
    #[serde(rename = "TensorrtExecutionProvider")]
    TensorRt,
    /// CoreML on an Apple GPU.
    #[serde(rename = "CoreMLExecutionProvider")]
    CoreMl,
}

impl ExecutionProvider {
    /// Returns the name that ONNX Runtime uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "CPUExecutionProvider",
            Self::Cuda => "CUDAExecutionProvider",
            Self::TensorRt => "TensorrtExecutionProvider",
            Self::CoreMl => "CoreMLExecutionProvider",
        }
    }
}

impl fmt::Display for ExecutionProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_text_use_the_name_of_onnxruntime() {
        for provider in [
            ExecutionProvider::Cpu,
            ExecutionProvider::Cuda,
            ExecutionProvider::TensorRt,
            ExecutionProvider::CoreMl,
        ] {
            assert_eq!(serde_json::to_value(provider).expect("JSON"), provider.as_str());
        }
    }
}

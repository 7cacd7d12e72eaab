//! The forward pass of a DenseNet-BC on plain slices, on one or several threads.
//!
//! It does less arithmetic than a plain one, and moves fewer bytes: each block has one buffer
//! `[pixel][channel]` in which every layer writes its channels behind those before it, so nothing is
//! concatenated; norms after a convolution are folded into it; norm and ReLU before a 1x1 convolution
//! happen while a few pixels are copied into the cache; 3x3 convolutions are Winograd's; a transition pools
//! before its convolution, which is linear. All of it in single precision.
//!
//! The only place in the project with `unsafe` code: vector instructions, and buffers of which several
//! threads write disjoint parts. Each block says why it is sound; the tests run every instruction set of
//! the machine against a plain convolution, on memory that ends at a guard page.

mod buffer;
mod dispatch;
mod forward;
mod gemm;
mod network;
mod norm;
mod simd;
mod team;
mod winograd;

#[cfg(test)]
mod tests;

pub use dispatch::Isa;
pub use forward::Workspace;
pub use network::{Densenet, LayerWeights, Norm, Precision, Shape};

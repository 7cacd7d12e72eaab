//! Aligned memory for numbers.

/// One cache line.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// Numbers that begin at a cache line; zero when made. Its length is rounded up to whole lines.
#[derive(Clone)]
pub(crate) struct Buffer(Vec<Line>);

impl Buffer {
    /// At least `length` zeros.
    pub(crate) fn zeroed(length: usize) -> Self {
        Self(vec![Line([0.0; 16]); length.div_ceil(16)])
    }
}

impl std::ops::Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: a Line is 16 f32 without padding (64 bytes, align 64), so n lines are 16 n f32 in a row.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), self.0.len() * 16) }
    }
}

impl std::ops::DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as in `deref`.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), self.0.len() * 16) }
    }
}

impl std::fmt::Debug for Buffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Buffer({})", self.len())
    }
}

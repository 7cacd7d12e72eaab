//! The forward pass: which pixels are computed when, by whom, and where they go.
//!
//! Alone, a thread goes through a dense layer in bands of a few rows, so that the bottleneck's rows are
//! still in the cache when the 3x3 convolution reads them. Several threads compute all rows, meet, and share
//! the tiles.

use crate::buffer::Buffer;
use crate::gemm::{Packed, Stride, Task};
use crate::network::{Block, Densenet, Layer};
use crate::norm::Norm;
use crate::team::Team;
use crate::winograd::{Input, Output};
use std::ops::Range;

/// Most pixels or tiles in one call of the matrix product.
const GROUP: usize = 14;

/// Memory for one image at a time.
#[derive(Debug)]
pub struct Workspace {
    /// Input with a border of three, `[channel][row][column]`.
    padded: Buffer,
    /// After the first convolution, `[pixel][channel]`.
    stem: Buffer,
    /// Blocks in turn.
    blocks: [Buffer; 2],
    /// Rows between the convolutions of a dense layer, with a border of one.
    bottleneck: Buffer,
    /// One for each member.
    scratch: Vec<Buffer>,
}

/// Offsets in a member's scratch, and its length.
struct Scratch {
    sums: usize,
    length: usize,
}

/// Values from one plane of transformed tiles to the next: no multiple of a power of two.
const fn plane(pixel: usize) -> usize {
    GROUP * pixel + 16
}

impl Densenet {
    /// Channels of a pixel of the bottleneck, with what the last panel adds.
    fn bottleneck_pixel(&self) -> usize {
        self.shape.bottleneck.next_multiple_of(2 * self.kernels.lanes)
    }

    /// Channels of a transformed tile's sums, with what the last panel adds.
    fn growth_pixel(&self) -> usize {
        self.shape.growth_rate.next_multiple_of(2 * self.kernels.lanes)
    }

    /// How rows of the bottleneck stand in the scratch.
    fn narrow(&self) -> Stride {
        Stride::of(self.bottleneck_pixel()).unwrap_or(Stride::Wide)
    }

    fn scratch(&self) -> Scratch {
        let sums = 36 * plane(self.narrow().values());
        let winograd = sums + 36 * plane(self.growth_pixel());
        Scratch { sums, length: winograd.max(GROUP * Stride::Wide.values()) }
    }

    /// Memory for as many members as a team may have.
    #[must_use]
    pub fn workspace(&self, members: usize) -> Workspace {
        let [padded, stem, even, odd, bottleneck, scratch @ ..] = &self.workspace_lengths(members)[..] else {
            unreachable!("five buffers at least")
        };
        Workspace {
            padded: Buffer::zeroed(*padded),
            stem: Buffer::zeroed(*stem),
            blocks: [Buffer::zeroed(*even), Buffer::zeroed(*odd)],
            bottleneck: Buffer::zeroed(*bottleneck),
            scratch: scratch.iter().map(|length| Buffer::zeroed(*length)).collect(),
        }
    }

    /// Computes the features of one image, after the last norm and ReLU: `input` is
    /// `[in_channels][size][size]`, `features` `[channels][side][side]`. As many threads work on it as the
    /// workspace has members.
    ///
    /// # Panics
    /// If a slice has not the length of the shape, or the workspace is another network's.
    pub fn forward(&self, workspace: &mut Workspace, input: &[f32], features: &mut [f32]) {
        let (size, side) = (self.shape.size, self.shape.features_side());
        assert_eq!(input.len(), self.shape.in_channels * size * size, "values of the input");
        assert_eq!(features.len(), self.shape.channels() * side * side, "values of the features");
        let members = workspace.scratch.len();
        let needed = self.workspace_lengths(members);
        assert_eq!(workspace.lengths(), needed, "the workspace of this network");
        for (c, plane) in input.chunks_exact(size * size).enumerate() {
            for (y, row) in plane.chunks_exact(size).enumerate() {
                let at = (c * (size + 6) + y + 3) * (size + 6) + 3;
                workspace.padded[at..at + size].copy_from_slice(row);
            }
        }
        let team = Team::new(members, 3 + self.blocks.iter().map(|b| 2 * b.layers.len() + 2).sum::<usize>());
        let pass = Pass {
            net: self,
            team: &team,
            padded: workspace.padded.as_ptr(),
            stem: workspace.stem.as_mut_ptr(),
            blocks: workspace.blocks.each_mut().map(|b| b.as_mut_ptr()),
            bottleneck: workspace.bottleneck.as_mut_ptr(),
            scratch: workspace.scratch.iter_mut().map(|s| s.as_mut_ptr()).collect(),
            features: features.as_mut_ptr(),
        };
        team.run(|member| pass.run(member));
    }

    /// Values of each buffer of a workspace, in its order.
    fn workspace_lengths(&self, members: usize) -> Vec<usize> {
        let side = self.shape.size + 6;
        let of_block = |b: &Block| b.side * b.side * b.pixel;
        let longest = |odd: usize| self.blocks.iter().skip(odd).step_by(2).map(of_block).max().unwrap_or(0);
        let bottleneck = self.blocks.iter().map(|b| Rows::of(self, b, members).length()).max().unwrap_or(0);
        let stem = self.stem_side * self.stem_side * self.conv0.panels * self.conv0.width;
        let mut all = vec![self.shape.in_channels * side * side, stem, longest(0), longest(1), bottleneck];
        all.extend((0..members).map(|_| self.scratch().length));
        all.into_iter().map(|length| length.next_multiple_of(16)).collect()
    }
}

impl Workspace {
    fn lengths(&self) -> Vec<usize> {
        let first = [&self.padded, &self.stem, &self.blocks[0], &self.blocks[1], &self.bottleneck];
        first.into_iter().chain(&self.scratch).map(|buffer| buffer.len()).collect()
    }
}

/// Rows of the bottleneck in a ring: row `y` of the image, from -1 on, is in slot `(y + 1) % slots`.
#[derive(Debug, Clone, Copy)]
struct Rows {
    /// Tiles across and down.
    tiles: usize,
    /// Rows of tiles that are done together.
    band: usize,
    slots: usize,
    /// Values from pixel to pixel, and from slot to slot.
    pixel: usize,
    row: usize,
}

impl Rows {
    fn of(net: &Densenet, block: &Block, members: usize) -> Self {
        let tiles = block.side.div_ceil(block.tile.out());
        let band = if members == 1 { net.kernels.group.div_ceil(tiles).min(tiles) } else { tiles };
        let pixel = net.bottleneck_pixel();
        let row = (tiles * block.tile.out() + 2) * pixel;
        Self { tiles, band, slots: band * block.tile.out() + 2, pixel, row }
    }

    const fn length(&self) -> usize {
        self.slots * self.row
    }

    /// Where row `y - 1` begins, border included.
    const fn slot(&self, y: usize) -> usize {
        y % self.slots * self.row
    }
}

/// One forward pass. All pointers are to buffers of the lengths of `workspace_lengths`.
struct Pass<'p> {
    net: &'p Densenet,
    team: &'p Team,
    padded: *const f32,
    stem: *mut f32,
    blocks: [*mut f32; 2],
    bottleneck: *mut f32,
    scratch: Vec<*mut f32>,
    features: *mut f32,
}

// SAFETY: the buffers outlive the team's threads (`Team::run` joins them). Between two meetings a unit of work
// is one member's (`Team::share`), and units write disjoint parts of what no unit of the same step reads.
unsafe impl Sync for Pass<'_> {}

impl Pass<'_> {
    fn run(&self, member: usize) {
        let net = self.net;
        let mut step = 0;
        let mut next = || {
            step += 1;
            step - 1
        };
        for y in self.team.share(next(), net.stem_side) {
            self.stem_row(member, y);
        }
        self.team.meet();
        let Some(first) = net.blocks.first() else { return };
        for y in self.team.share(next(), first.side) {
            self.pool_row(first, y);
        }
        self.team.meet();
        for (index, block) in net.blocks.iter().enumerate() {
            let rows = Rows::of(net, block, self.team.members());
            for slot in self.team.share(next(), rows.slots) {
                self.clear(&rows, slot);
            }
            self.team.meet();
            let buffer = self.blocks[index % 2];
            for (l, layer) in block.layers.iter().enumerate() {
                let column = block.channels + l * net.shape.growth_rate;
                if self.team.members() == 1 {
                    self.banded(block, layer, &rows, buffer, column);
                    continue;
                }
                self.reduce_together(next(), member, block, layer, &rows, buffer);
                self.team.meet();
                let all: Vec<_> = self.groups(rows.tiles * rows.tiles, self.team.members()).collect();
                for unit in self.team.share(next(), all.len()) {
                    self.convolve(member, block, layer, &rows, buffer, column, all[unit].clone());
                }
                self.team.meet();
            }
            if let (Some((norm, conv)), Some(after)) = (&block.transition, net.blocks.get(index + 1)) {
                let all: Vec<_> = self.groups(after.side * after.side, 1).collect();
                for unit in self.team.share(next(), all.len()) {
                    self.transition(member, block, after, &norm.pointers(), conv, index, all[unit].clone());
                }
                self.team.meet();
            } else if member == 0 {
                self.finish(block, buffer);
            }
        }
    }

    /// Splits `0..n` into groups that fit the register tiles, all nearly alike, at least `least` of them.
    fn groups(&self, n: usize, least: usize) -> impl ExactSizeIterator<Item = Range<usize>> + use<> {
        let count = n.div_ceil(self.net.kernels.group).max(least.min(n));
        (0..count).map(move |g| n * g / count..n * (g + 1) / count)
    }

    /// One row of the first convolution.
    fn stem_row(&self, member: usize, y: usize) {
        let (net, size) = (self.net, self.net.shape.size + 6);
        let stride = Stride::of(net.conv0.k).unwrap_or(Stride::Wide);
        let scratch = self.scratch[member];
        let pixel = net.conv0.panels * net.conv0.width;
        for group in self.groups(net.stem_side, 1) {
            let mut out = [std::ptr::null_mut(); GROUP];
            for (r, x) in group.clone().enumerate() {
                for (n, line) in (0..net.shape.in_channels * 7).enumerate() {
                    let (c, ky) = (line / 7, line % 7);
                    // SAFETY: rows 2y..2y+7 and columns 2x..2x+7 are within size + 6 for y, x < stem_side
                    // = ceil(size / 2); the scratch has GROUP rows of the stride, which holds all taps.
                    unsafe {
                        let from = self.padded.add((c * size + 2 * y + ky) * size + 2 * x);
                        std::ptr::copy_nonoverlapping(from, scratch.add(r * stride.values() + 7 * n), 7);
                    }
                }
                // SAFETY: pixel (y, x) of the stem.
                out[r] = unsafe { self.stem.add((y * net.stem_side + x) * pixel) };
            }
            self.multiply(&net.conv0, stride, scratch, &out[..group.len()], true, 0..net.conv0.panels);
        }
    }

    /// One row of the 3x3 max pooling with stride 2, into the first block.
    fn pool_row(&self, block: &Block, y: usize) {
        let (net, side) = (self.net, self.net.stem_side);
        let pixel = net.conv0.panels * net.conv0.width;
        for x in 0..block.side {
            let mut from = [std::ptr::null(); 9];
            let mut n = 0;
            for sy in (2 * y).saturating_sub(1)..(2 * y + 2).min(side) {
                for sx in (2 * x).saturating_sub(1)..(2 * x + 2).min(side) {
                    // SAFETY: pixel (sy, sx) of the stem.
                    from[n] = unsafe { self.stem.add((sy * side + sx) * pixel) };
                    n += 1;
                }
            }
            // SAFETY: pixels of the stem and of the block have whole vectors of init_features channels.
            unsafe {
                let to = self.blocks[0].add((y * block.side + x) * block.pixel);
                (net.kernels.greatest)(net.shape.init_features, &from[..n], to);
            }
        }
    }

    /// Zeros in a slot of the ring.
    fn clear(&self, rows: &Rows, slot: usize) {
        // SAFETY: the ring has so many slots of so many values.
        unsafe { std::ptr::write_bytes(self.bottleneck.add(slot * rows.row), 0, rows.row) }
    }

    /// A dense layer in bands, by one thread.
    fn banded(&self, block: &Block, layer: &Layer, rows: &Rows, buffer: *mut f32, column: usize) {
        let out = block.tile.out();
        // Counted from the border: row n is row n - 1 of the image.
        let mut ready = 0;
        for band in (0..rows.tiles).step_by(rows.band) {
            let last = (band + rows.band).min(rows.tiles);
            let until = last * out + 2;
            while ready < until {
                if (1..=block.side).contains(&ready) {
                    let end = until.min(block.side + 1);
                    let pixels = (ready - 1) * block.side..(end - 1) * block.side;
                    for group in self.groups(pixels.len(), 1) {
                        let group = pixels.start + group.start..pixels.start + group.end;
                        self.reduce(0, block, layer, rows, buffer, group, 0..layer.conv1.panels);
                    }
                    ready = end;
                } else {
                    self.clear(rows, ready % rows.slots);
                    ready += 1;
                }
            }
            for group in self.groups((last - band) * rows.tiles, 1) {
                let first = band * rows.tiles;
                self.convolve(0, block, layer, rows, buffer, column, first + group.start..first + group.end);
            }
        }
    }

    /// All pixels of a layer's bottleneck, by the whole team: where there are few, columns are shared, too.
    fn reduce_together(&self, step: usize, member: usize, block: &Block, layer: &Layer, rows: &Rows, buffer: *mut f32) {
        let all: Vec<_> = self.groups(block.side * block.side, 1).collect();
        let panels = layer.conv1.panels;
        let parts = if all.len() >= 4 * self.team.members() { 1 } else { panels.min(self.team.members()) };
        for unit in self.team.share(step, all.len() * parts) {
            let (part, group) = (unit / all.len(), &all[unit % all.len()]);
            let columns = panels * part / parts..panels * (part + 1) / parts;
            self.reduce(member, block, layer, rows, buffer, group.clone(), columns);
        }
    }

    /// Norm, ReLU, 1x1 convolution, norm and ReLU of some pixels, into the ring.
    #[expect(clippy::too_many_arguments, reason = "what, where from, where to, which part")]
    fn reduce(
        &self,
        member: usize,
        block: &Block,
        layer: &Layer,
        rows: &Rows,
        buffer: *mut f32,
        pixels: Range<usize>,
        panels: Range<usize>,
    ) {
        let (scratch, norm) = (self.scratch[member], layer.norm1.pointers());
        let copy = self.net.kernels.rows(&layer.conv1).copy;
        let mut out = [std::ptr::null_mut(); GROUP];
        for (r, p) in pixels.clone().enumerate() {
            let (y, x) = (p / block.side, p % block.side);
            // SAFETY: pixel p of the block and row r of the scratch have whole vectors of the layer's channels;
            // row y + 1 of the ring has side + 2 pixels.
            unsafe {
                let to = scratch.add(r * Stride::Wide.values());
                copy(&norm, buffer.add(p * block.pixel), to);
                out[r] = self.bottleneck.add(rows.slot(y + 1) + (x + 1) * rows.pixel);
            }
        }
        self.multiply(&layer.conv1, Stride::Wide, scratch, &out[..pixels.len()], true, panels);
    }

    /// The 3x3 convolution of some tiles, from the ring into the block.
    #[expect(clippy::too_many_arguments, reason = "what, where from, where to, which part")]
    fn convolve(
        &self,
        member: usize,
        block: &Block,
        layer: &Layer,
        rows: &Rows,
        buffer: *mut f32,
        column: usize,
        tiles: Range<usize>,
    ) {
        let (net, scratch) = (self.net, self.scratch[member]);
        let (side, step) = (block.tile.side(), block.tile.out());
        let (stride, growth) = (net.narrow(), net.growth_pixel());
        let (into, sums) = (net.kernels.input(block.tile), net.scratch().sums);
        for (r, tile) in tiles.clone().enumerate() {
            let (y, x) = (tile / rows.tiles * step, tile % rows.tiles * step);
            // SAFETY: rows y..y+side of the ring, border included, have tiles * step + 2 pixels; row r of each
            // plane of the scratch holds the bottleneck's channels.
            unsafe {
                let row = |i: usize| self.bottleneck.add(rows.slot(y + i.min(side - 1)) + x * rows.pixel).cast_const();
                into(&Input {
                    rows: std::array::from_fn(row),
                    channels: rows.pixel,
                    to: scratch.add(r * stride.values()),
                    plane: plane(stride.values()),
                });
            }
        }
        for (i, weights) in layer.conv2.iter().enumerate() {
            let mut out = [std::ptr::null_mut(); GROUP];
            for (r, out) in out.iter_mut().enumerate() {
                // SAFETY: row r of plane i of the sums.
                *out = unsafe { scratch.add(sums + i * plane(growth) + r * growth) };
            }
            // SAFETY: plane i of the transformed input.
            let a = unsafe { scratch.add(i * plane(stride.values())) };
            self.multiply(weights, stride, a, &out[..tiles.len()], false, 0..weights.panels);
        }
        let back = net.kernels.output(block.tile);
        for (r, tile) in tiles.enumerate() {
            let (y, x) = (tile / rows.tiles * step, tile % rows.tiles * step);
            // SAFETY: row r of each plane of the sums; pixels of the tile that are inside have room for whole
            // vectors of the growth behind `column`.
            unsafe {
                back(&Output {
                    from: scratch.add(sums + r * growth),
                    plane: plane(growth),
                    channels: net.shape.growth_rate,
                    to: buffer.add((y * block.side + x) * block.pixel + column),
                    row: block.side * block.pixel,
                    pixel: block.pixel,
                    height: block.side - y,
                    width: block.side - x,
                });
            }
        }
    }

    /// Some pixels of a transition: norm, ReLU, mean of four, 1x1 convolution, into the next block.
    #[expect(clippy::too_many_arguments, reason = "what, where from, where to, which part")]
    fn transition(
        &self,
        member: usize,
        block: &Block,
        after: &Block,
        norm: &Norm,
        conv: &Packed,
        index: usize,
        pixels: Range<usize>,
    ) {
        let (scratch, from) = (self.scratch[member], self.blocks[index % 2].cast_const());
        let mean = self.net.kernels.rows(conv).mean;
        let mut out = [std::ptr::null_mut(); GROUP];
        for (r, p) in pixels.clone().enumerate() {
            let (y, x) = (2 * (p / after.side), 2 * (p % after.side));
            // SAFETY: after.side is half of block.side, rounded down, so all four pixels are inside; both
            // buffers have whole vectors of the channels.
            unsafe {
                let four = [(y, x), (y, x + 1), (y + 1, x), (y + 1, x + 1)];
                let four = four.map(|(y, x)| from.add((y * block.side + x) * block.pixel));
                mean(norm, four, scratch.add(r * Stride::Wide.values()));
                out[r] = self.blocks[(index + 1) % 2].add(p * after.pixel);
            }
        }
        self.multiply(conv, Stride::Wide, scratch, &out[..pixels.len()], false, 0..conv.panels);
    }

    /// The last norm and ReLU, turned to `[channel][pixel]`.
    fn finish(&self, block: &Block, buffer: *mut f32) {
        let (norm, pixels) = (&self.net.norm5, block.side * block.side);
        for p in 0..pixels {
            for c in 0..norm.channels {
                // SAFETY: pixel p of the block, and value (c, p) of the features.
                unsafe {
                    let v = *buffer.add(p * block.pixel + c);
                    *self.features.add(c * pixels + p) = (v * norm.scale[c] + norm.shift[c]).max(0.0);
                }
            }
        }
    }

    /// Multiplies rows that lie at `a` with some panels of weights; with the bias and a cut at zero, or without.
    fn multiply(
        &self,
        packed: &Packed,
        stride: Stride,
        a: *const f32,
        out: &[*mut f32],
        bias: bool,
        panels: Range<usize>,
    ) {
        let (k, width) = (packed.k, packed.width);
        let mut shifted = [std::ptr::null_mut(); GROUP];
        for (to, from) in shifted.iter_mut().zip(out) {
            // SAFETY: each row of the output has all panels.
            *to = unsafe { from.add(panels.start * width) };
        }
        let task = Task {
            k,
            a,
            stride,
            rows: out.len(),
            weights: packed.weights[panels.start * k * width..panels.end * k * width].as_ptr(),
            panels: panels.len(),
            bias: if bias { packed.bias[panels.start * width..panels.end * width].as_ptr() } else { std::ptr::null() },
            out: shifted.as_ptr(),
        };
        // SAFETY: the kernels fit the processor (`Kernels::of`); the rows of the scratch were written for k
        // values, the weights and bias are those of the panels, and the output rows are this unit's own.
        unsafe { (self.net.kernels.rows(packed).gemm)(&task) }
    }
}

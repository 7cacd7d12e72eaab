//! Every path gives the same logits: each instruction set of this machine and the plain one, alone and
//! together, images one by one and in a batch.

use crate::films::data;
use centinela_models::Path;
use centinela_models::model::Densenet;
use centinela_models::package::Package;
use std::path::Path as Folder;

#[test]
fn all_paths_agree_on_any_number_of_threads() {
    let models = Folder::new(env!("CARGO_MANIFEST_DIR"));
    for folder in [data().join("tiny"), models.join("cxr-demo-0.1.0"), models.join("test-synthetic-map-1.0.0")] {
        let package = Package::load(&folder).unwrap();
        let size = package.manifest.input.size as usize;
        let values = package.manifest.architecture.in_channels * size * size;
        let input: Vec<f32> = (0..3 * values).map(|i| ((i * 7919) % 4099) as f32 / 2049.0 - 1.0).collect();
        let plain = Densenet::on(Path::Plain, &package).unwrap();
        assert_eq!(plain.path(), Path::Plain);
        let expected = plain.logits(input.clone(), 3, 1).unwrap();
        for path in Path::all() {
            let model = Densenet::on(path, &package).unwrap();
            assert_eq!(model.path(), path);
            for threads in [1, 2, 5] {
                let mut got = model.logits(input.clone(), 3, threads).unwrap();
                got.extend(input.chunks(values).map(|one| model.logits(one.to_vec(), 1, threads).unwrap().remove(0)));
                let pairs = got.iter().zip(expected.iter().chain(&expected));
                for (got, want) in pairs.flat_map(|(got, want)| got.iter().zip(want)) {
                    assert!((got - want).abs() <= 1e-4, "{path:?}, {threads} threads: {got} instead of {want}");
                }
            }
        }
    }
}

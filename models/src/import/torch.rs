//! The containers of torch: the zip of 1.6 and later, and the older file of pickles one after the other.

use super::error::ImportError;
use super::pickle;
use super::state::{self, Tensors};
use super::value::{Graph, Value};
use super::zip;
use std::collections::HashMap;

/// The number with which older files start, as a pickle; its first byte but one is the protocol.
const MAGIC: [u8; 13] = [0x80, 2, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50];
const LEGACY_PROTOCOL: i64 = 1001;

/// Bytes of the storages, by key.
pub(super) type Storages<'a> = HashMap<&'a str, &'a [u8]>;

/// Whether a file is one of them.
pub(super) fn is_torch(file: &[u8]) -> bool {
    file.starts_with(b"PK") || is_legacy(file)
}

fn is_legacy(file: &[u8]) -> bool {
    file.len() > MAGIC.len() && file[0] == MAGIC[0] && file[2..MAGIC.len()] == MAGIC[2..]
}

/// The weights of a torch file and what container it was.
///
/// # Errors
/// [`ImportError`].
pub(super) fn read(file: &[u8]) -> Result<(Tensors, &'static str), ImportError> {
    if is_legacy(file) {
        return Ok((legacy(file)?, "torch file from before 1.6"));
    }
    let mut pickled = None;
    let mut storages = Storages::new();
    for entry in zip::entries(file)? {
        // Everything lies in one folder, whose name does not matter.
        let Some((_, inside)) = entry.name.split_once('/') else { continue };
        match inside {
            "data.pkl" => pickled = Some(entry.contents()?),
            "constants.pkl" => {
                let problem = "this is a TorchScript archive, which holds code: load it with torch.jit.load, then save \
                               model.state_dict(), best as safetensors";
                return Err(ImportError::container(problem));
            }
            "byteorder" if entry.contents()? != b"little" => {
                let problem = "the weights are big endian: save them again on a little-endian machine";
                return Err(ImportError::container(problem));
            }
            _ => {
                if let Some(key) = inside.strip_prefix("data/") {
                    storages.insert(key, entry.contents()?);
                }
            }
        }
    }
    let Some(pickled) = pickled else {
        let problem =
            "the zip has no data.pkl, so it was not written by torch.save: give the file that torch.save wrote";
        return Err(ImportError::container(problem));
    };
    let (graph, _) = pickle::read(pickled)?;
    Ok((state::tensors(&graph, &storages)?, "torch zip"))
}

fn legacy(file: &[u8]) -> Result<Tensors, ImportError> {
    let broken = |what: &str| {
        ImportError::container(format!("the torch file from before 1.6 is damaged or cut short: {what}; copy it again"))
    };
    // Magic number, protocol, machine, weights, keys of the storages, then their bytes.
    let mut at = 0;
    let mut next = || {
        let (graph, length) = pickle::read(&file[at..]).map_err(|error| match error {
            ImportError::Pickle { offset, problem } => ImportError::Pickle { offset: offset + at, problem },
            other => other,
        })?;
        at += length;
        Ok::<_, ImportError>((graph, at))
    };
    next()?;
    let (protocol, _) = next()?;
    if *protocol.get(protocol.root) != Value::Int(LEGACY_PROTOCOL) {
        return Err(broken("its protocol number is unknown"));
    }
    let (machine, _) = next()?;
    let little = machine.entry(machine.root, "little_endian");
    if little.is_some_and(|id| *machine.get(id) == Value::Bool(false)) {
        return Err(ImportError::container("the weights are big endian: save them again on a little-endian machine"));
    }
    let (graph, _) = next()?;
    let (keys, mut at) = next()?;
    let (Value::List(list) | Value::Tuple(list)) = keys.get(keys.root) else {
        return Err(broken("it has no list of storages"));
    };
    let widths = widths(&graph);
    let mut storages = Storages::new();
    for &key in list {
        let key = keys.text(key).ok_or_else(|| broken("the key of a storage is no text"))?;
        let width = *widths.get(key).ok_or_else(|| broken("a storage is listed that no tensor uses"))?;
        let count = file.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
        let count = count.ok_or_else(|| broken("the length of a storage is not there"))?;
        let length = usize::try_from(count).ok().and_then(|count| count.checked_mul(width));
        let bytes = length.and_then(|length| file.get(at + 8..(at + 8).checked_add(length)?));
        let bytes =
            bytes.ok_or_else(|| broken(&format!("storage {key:?} claims {count} elements that are not there")))?;
        at += 8 + bytes.len();
        storages.insert(key, bytes);
    }
    state::tensors(&graph, &storages)
}

/// Bytes of an element of each storage.
fn widths<'a>(graph: &Graph<'a>) -> HashMap<&'a str, usize> {
    let storages = graph.values.iter().filter_map(|value| match value {
        Value::Storage(storage) => Some((storage.key, storage.element.bytes())),
        _ => None,
    });
    storages.collect()
}

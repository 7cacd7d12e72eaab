//! From the graph of a pickle to named tensors: a state_dict, bare or under a usual key, or a whole module.

use super::classes::Element;
use super::error::ImportError;
use super::tensor::{MOST_ELEMENTS, Tensor};
use super::torch::Storages;
use super::value::{Graph, Id, Value, View};
use std::collections::BTreeMap;

/// Tensors by name.
pub(super) type Tensors = BTreeMap<String, Tensor>;

/// Keys under which training scripts keep the weights.
const KEYS: [&str; 5] = ["state_dict", "model_state_dict", "model_state", "model", "net"];
/// Depth of modules in modules; a DenseNet in a DataParallel in a wrapper has six.
const DEPTH: usize = 16;
/// Most modules and tensors that are visited; a whole DenseNet-201 has 2,000.
const MOST_VISITS: usize = 100_000;
/// Most attributes of a module; torch's have some thirty. They are searched one after the other.
const MOST_ATTRIBUTES: usize = 1_000;
/// What the network adds to a variance, see [`crate::network`].
const BN_EPSILON: f64 = 1e-5;

struct Walk<'g, 'a> {
    graph: &'g Graph<'a>,
    storages: &'g Storages<'a>,
    found: Tensors,
    elements: usize,
    visits: usize,
}

/// The tensors of a pickle.
///
/// # Errors
/// [`ImportError`]: there are none, or one is not all there.
pub(super) fn tensors(graph: &Graph<'_>, storages: &Storages<'_>) -> Result<Tensors, ImportError> {
    let mut walk = Walk { graph, storages, found: Tensors::new(), elements: 0, visits: 0 };
    let mut root = graph.root;
    for _ in 0..KEYS.len() {
        let Some(inner) = KEYS.iter().find_map(|key| graph.entry(root, key)) else { break };
        root = inner;
    }
    match graph.get(root) {
        Value::Module { .. } => walk.module("", root, 0)?,
        Value::Dict(pairs) => walk.dict("", pairs)?,
        _ => {
            return Err(ImportError::container(format!(
                "the file holds {}, not weights: save model.state_dict() with torch.save, or as safetensors",
                graph.kind(root)
            )));
        }
    }
    Ok(walk.found)
}

impl Walk<'_, '_> {
    fn visit(&mut self) -> Result<(), ImportError> {
        self.visits += 1;
        if self.visits > MOST_VISITS {
            let problem =
                format!("the file has more than {MOST_VISITS} modules and tensors; save model.state_dict() only");
            return Err(ImportError::container(problem));
        }
        Ok(())
    }

    /// Tensors of a dictionary; what else stands in it is not weights.
    fn dict(&mut self, prefix: &str, pairs: &[(Id, Id)]) -> Result<(), ImportError> {
        for &(key, value) in pairs {
            self.visit()?;
            if let (Some(key), Value::Tensor(view)) = (self.graph.text(key), self.graph.get(value)) {
                self.tensor(format!("{prefix}{key}"), view)?;
            }
        }
        Ok(())
    }

    /// Tensors of a module and of those in it, named as `state_dict` names them.
    fn module(&mut self, prefix: &str, id: Id, depth: usize) -> Result<(), ImportError> {
        self.visit()?;
        let shown = if prefix.is_empty() { "the module" } else { prefix.trim_end_matches('.') };
        let fail =
            |problem: &str| ImportError::container(format!("{shown}: {problem}; save model.state_dict() instead"));
        let &Value::Module { norm, state: Some(state) } = self.graph.get(id) else {
            return Err(fail("is no module with attributes"));
        };
        if depth > DEPTH {
            return Err(fail(&format!("modules are nested more than {DEPTH} deep, or contain themselves")));
        }
        if matches!(self.graph.get(state), Value::Dict(pairs) if pairs.len() > MOST_ATTRIBUTES) {
            return Err(fail(&format!("has more than {MOST_ATTRIBUTES} attributes")));
        }
        let eps = self.graph.entry(state, "eps").map(|id| self.graph.get(id));
        if let (true, Some(&Value::Float(eps))) = (norm, eps)
            && (eps - BN_EPSILON).abs() > 1e-9
        {
            return Err(fail(&format!(
                "its eps is {eps:e}, and this program knows batch norms of {BN_EPSILON:e} only"
            )));
        }
        for part in ["_parameters", "_buffers"] {
            let id = self.graph.entry(state, part);
            let Some(Value::Dict(pairs)) = id.map(|id| self.graph.get(id)) else {
                return Err(fail(&format!("has no {part}")));
            };
            self.dict(prefix, pairs)?;
        }
        let children = self.graph.entry(state, "_modules").map(|id| self.graph.get(id));
        let Some(Value::Dict(children)) = children else { return Err(fail("has no _modules")) };
        for &(name, child) in children {
            let name = self.graph.text(name).ok_or_else(|| fail("the name of a module is no text"))?;
            if *self.graph.get(child) != Value::None {
                self.module(&format!("{prefix}{name}."), child, depth + 1)?;
            }
        }
        Ok(())
    }

    fn tensor(&mut self, name: String, view: &View) -> Result<(), ImportError> {
        // Counters of training.
        if name.ends_with("num_batches_tracked") {
            return Ok(());
        }
        let &Value::Storage(storage) = self.graph.get(view.storage) else {
            return Err(ImportError::tensor(name, "has no storage: the file is damaged"));
        };
        let Some(bytes) = self.storages.get(storage.key) else {
            return Err(ImportError::tensor(
                name,
                format!("its storage {:?} is not in the file: copy it again", storage.key),
            ));
        };
        if matches!(storage.element, Element::Other(_)) {
            let problem = "holds integers; weights are floating-point numbers: save model.float().state_dict()";
            return Err(ImportError::tensor(name, problem));
        }
        let offset = storage.start.saturating_add(view.offset);
        let count = view.shape.iter().fold(1_usize, |n, &size| n.saturating_mul(size));
        self.elements = self.elements.saturating_add(count);
        if self.elements > MOST_ELEMENTS {
            let problem = format!("with it the file has more than the {MOST_ELEMENTS} elements that are read");
            return Err(ImportError::tensor(name, problem));
        }
        let tensor = Tensor::gather(&name, bytes, storage.element, offset, &view.shape, &view.stride)?;
        match self.found.insert(name.clone(), tensor) {
            None => Ok(()),
            Some(_) => Err(ImportError::tensor(name, "is there twice: save model.state_dict() again")),
        }
    }
}

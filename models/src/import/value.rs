//! What a pickle holds, as a graph of plain values. Values refer to each other by number, so a graph with cycles or with
//! one part used a million times takes no more room than its pickle; whoever walks it counts its steps.

use super::classes::{Class, Element};

/// Number of a value in its graph.
pub(super) type Id = usize;

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'a> {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'a str),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    /// Also an OrderedDict: pairs in the order in which they came.
    Dict(Vec<(Id, Id)>),
    Class(Class),
    /// An object of a listed class with its attributes.
    Module {
        norm: bool,
        state: Option<Id>,
    },
    Storage(Storage<'a>),
    Tensor(View),
    /// Something beside weights.
    Inert,
}

/// Where elements lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Storage<'a> {
    pub element: Element,
    /// Key in the container.
    pub key: &'a str,
    /// First element, where this is a part of the storage with that key.
    pub start: u64,
}

/// A tensor: elements of a storage.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct View {
    pub storage: Id,
    pub offset: u64,
    pub shape: Vec<usize>,
    pub stride: Vec<usize>,
}

/// All values of a pickle.
#[derive(Debug)]
pub(super) struct Graph<'a> {
    pub values: Vec<Value<'a>>,
    pub root: Id,
}

impl<'a> Graph<'a> {
    /// The value with this number; every number of a graph has one.
    pub fn get(&self, id: Id) -> &Value<'a> {
        &self.values[id]
    }

    /// The last entry of a dictionary under this key.
    pub fn entry(&self, dict: Id, key: &str) -> Option<Id> {
        let Value::Dict(pairs) = self.get(dict) else { return None };
        pairs.iter().rev().find(|(k, _)| self.text(*k) == Some(key)).map(|(_, value)| *value)
    }

    /// The text of a value that is one.
    pub fn text(&self, id: Id) -> Option<&'a str> {
        match self.get(id) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What a value is, for messages.
    pub fn kind(&self, id: Id) -> &'static str {
        match self.get(id) {
            Value::None => "None",
            Value::Bool(_) => "a truth value",
            Value::Int(_) | Value::Float(_) => "a number",
            Value::Text(_) => "a text",
            Value::Tuple(_) | Value::List(_) => "a list",
            Value::Dict(_) => "a dictionary",
            Value::Class(_) => "a class",
            Value::Module { .. } => "a module",
            Value::Storage(_) => "a storage",
            Value::Tensor(_) => "a tensor",
            Value::Inert => "something beside weights",
        }
    }
}

//! A pickle machine that executes nothing: it builds the graph of [`super::value`], knows the classes of
//! [`super::classes`], and refuses everything else.
//!
//! Binary opcodes of protocols 2 to 5 as torch writes them (Python's pickletools is the reference). No value is made that
//! the stream has not paid for in bytes, and there are at most [`MOST_VALUES`] of them; lengths are held against the bytes
//! that are there; nothing recurses.

use super::classes::Class;
use super::error::ImportError;
use super::value::{Graph, Id, Storage, Value, View};
use std::collections::HashMap;

/// Most values of one pickle; a whole DenseNet-201 has under 100,000.
const MOST_VALUES: usize = 1_000_000;
/// Most entries of the stack; memo look-ups push without making values.
const MOST_STACK: usize = 1_000_000;
/// Largest pickle, without the tensors' data.
const MOST_BYTES: usize = 32 << 20;
/// Most arguments of a call that are looked at.
const MOST_ARGUMENTS: usize = 8;
/// Most dimensions of a tensor.
const MOST_DIMENSIONS: usize = 8;

type Step<T> = Result<T, String>;

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value<'a>>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
    /// Entries that calls have copied: one list may be named by any number of them.
    copied: usize,
    refused: Option<String>,
}

/// Reads one pickle from the start of `bytes`; returns its graph and how many bytes it took.
///
/// # Errors
/// [`ImportError::Pickle`] and [`ImportError::Class`].
pub(super) fn read(bytes: &[u8]) -> Result<(Graph<'_>, usize), ImportError> {
    let bytes = &bytes[..bytes.len().min(MOST_BYTES)];
    let mut machine = Machine {
        bytes,
        at: 0,
        values: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        copied: 0,
        refused: None,
    };
    loop {
        let offset = machine.at;
        match machine.step() {
            Ok(None) => {}
            Ok(Some(root)) => return Ok((Graph { values: machine.values, root }, machine.at)),
            Err(problem) => {
                return Err(match machine.refused {
                    Some(class) => ImportError::Class { class },
                    None => ImportError::Pickle { offset, problem },
                });
            }
        }
    }
}

impl<'a> Machine<'a> {
    fn take(&mut self, length: usize) -> Step<&'a [u8]> {
        let left = self.bytes.len() - self.at;
        if length > left {
            return Err(format!("it ends here, {length} more bytes are announced and {left} are there"));
        }
        self.at += length;
        Ok(&self.bytes[self.at - length..self.at])
    }

    fn number(&mut self, length: usize) -> Step<u64> {
        Ok(self.take(length)?.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)))
    }

    /// A value with its length before it.
    fn sized(&mut self, length: usize) -> Step<&'a [u8]> {
        let length = self.number(length)?;
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }

    /// A line of text.
    fn line(&mut self) -> Step<&'a str> {
        let length = self.bytes[self.at..].iter().position(|&b| b == b'\n').ok_or("it ends inside a name")?;
        let line = self.take(length)?;
        self.at += 1;
        std::str::from_utf8(line).map_err(|_| "a name is not text".to_owned())
    }

    fn push(&mut self, value: Value<'a>) -> Step<()> {
        if self.values.len() >= MOST_VALUES {
            return Err(format!("it holds more than {MOST_VALUES} values"));
        }
        self.values.push(value);
        self.push_id(self.values.len() - 1)
    }

    fn push_id(&mut self, id: Id) -> Step<()> {
        if self.stack.len() >= MOST_STACK {
            return Err(format!("its stack holds more than {MOST_STACK} values"));
        }
        self.stack.push(id);
        Ok(())
    }

    /// Takes the topmost value, but none from under the last mark.
    fn pop(&mut self) -> Step<Id> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err("it takes a value from an empty stack".to_owned());
        }
        self.stack.pop().ok_or_else(|| "it takes a value from an empty stack".to_owned())
    }

    fn top(&self) -> Step<Id> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let top = (self.stack.len() > floor).then(|| self.stack.last().copied()).flatten();
        top.ok_or_else(|| "it needs a value from an empty stack".to_owned())
    }

    fn above_mark(&mut self) -> Step<Vec<Id>> {
        let mark = self.marks.pop().ok_or("it looks for a mark that is not there")?;
        Ok(self.stack.split_off(mark))
    }

    fn text(&mut self, bytes: &'a [u8]) -> Step<()> {
        // Bytes that are no text are never the name of anything here.
        let value = std::str::from_utf8(bytes).map_or(Value::Inert, Value::Text);
        self.push(value)
    }

    /// One opcode; the root at the end.
    fn step(&mut self) -> Step<Option<Id>> {
        let opcode = self.number(1)? as u8;
        match opcode {
            b'.' => return self.pop().map(Some),
            0x80 => {
                let protocol = self.number(1)?;
                if !(2..=5).contains(&protocol) {
                    return Err(format!("protocol {protocol} is not read here, only 2 to 5"));
                }
            }
            // A frame only says how much follows.
            0x95 => drop(self.number(8)?),
            b'(' => {
                if self.marks.len() >= MOST_STACK {
                    return Err(format!("it is nested more than {MOST_STACK} deep"));
                }
                self.marks.push(self.stack.len());
            }
            b'0' => drop(self.pop()?),
            b'1' => drop(self.above_mark()?),
            b'2' => {
                let top = self.top()?;
                self.push_id(top)?;
            }
            b'N' => self.push(Value::None)?,
            0x88 | 0x89 => self.push(Value::Bool(opcode == 0x88))?,
            b'J' => {
                let value = self.number(4)? as u32 as i32;
                self.push(Value::Int(i64::from(value)))?;
            }
            b'K' => {
                let value = self.number(1)?;
                self.push(Value::Int(value as i64))?;
            }
            b'M' => {
                let value = self.number(2)?;
                self.push(Value::Int(value as i64))?;
            }
            0x8a => {
                let bytes = self.sized(1)?;
                self.push(long(bytes))?;
            }
            0x8b => {
                let bytes = self.sized(4)?;
                self.push(long(bytes))?;
            }
            b'G' => {
                let bits = self.take(8)?.iter().fold(0_u64, |value, &byte| value << 8 | u64::from(byte));
                self.push(Value::Float(f64::from_bits(bits)))?;
            }
            b'U' | 0x8c | b'C' => {
                let bytes = self.sized(1)?;
                self.text(bytes)?;
            }
            b'T' | b'X' | b'B' => {
                let bytes = self.sized(4)?;
                self.text(bytes)?;
            }
            0x8d | 0x8e | 0x96 => {
                let bytes = self.sized(8)?;
                self.text(bytes)?;
            }
            b')' => self.push(Value::Tuple(Vec::new()))?,
            b']' => self.push(Value::List(Vec::new()))?,
            b'}' => self.push(Value::Dict(Vec::new()))?,
            0x8f => self.push(Value::Inert)?,
            b't' | b'l' | b'd' | 0x91 | 0x85..=0x87 => self.collect(opcode)?,
            b'a' | b'e' | b's' | b'u' | 0x90 => self.extend(opcode)?,
            b'q' | b'r' | 0x94 => {
                let slot = match opcode {
                    b'q' => self.number(1)? as u32,
                    b'r' => self.number(4)? as u32,
                    _ => u32::try_from(self.memo.len()).map_err(|e| e.to_string())?,
                };
                let top = self.top()?;
                self.memo.insert(slot, top);
            }
            b'h' | b'j' => {
                let slot = self.number(if opcode == b'h' { 1 } else { 4 })? as u32;
                let id = *self.memo.get(&slot).ok_or_else(|| format!("memo {slot} is read but was never written"))?;
                self.push_id(id)?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.class(module, name)?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                match (&self.values[module], &self.values[name]) {
                    (&Value::Text(module), &Value::Text(name)) => self.class(module, name)?,
                    _ => return Err("the name of a class is not text".to_owned()),
                }
            }
            b'R' | 0x81 | 0x92 => {
                if opcode == 0x92 {
                    self.pop()?;
                }
                let (arguments, callable) = (self.pop()?, self.pop()?);
                self.make(callable, arguments, opcode == b'R')?;
            }
            b'b' => {
                let (state, object) = (self.pop()?, self.top()?);
                self.build(object, state)?;
            }
            b'Q' => {
                let id = self.pop()?;
                self.persistent(id)?;
            }
            other => return Err(format!("opcode {other:#04x} is not one that torch writes")),
        }
        Ok(None)
    }

    fn class(&mut self, module: &str, name: &str) -> Step<()> {
        let Some(class) = Class::find(module, name) else {
            // Names are short; a message must not carry megabytes.
            let short = |text: &str| text.chars().take(64).collect::<String>();
            self.refused = Some(format!("{}.{}", short(module), short(name)));
            return Err("a class is refused".to_owned());
        };
        self.push(Value::Class(class))
    }

    /// Opcodes that make a collection of what lies on the stack.
    fn collect(&mut self, opcode: u8) -> Step<()> {
        if (0x85..=0x87).contains(&opcode) {
            let count = usize::from(opcode - 0x84);
            let mut items = (0..count).map(|_| self.pop()).collect::<Step<Vec<_>>>()?;
            items.reverse();
            return self.push(Value::Tuple(items));
        }
        let items = self.above_mark()?;
        let value = match opcode {
            b't' => Value::Tuple(items),
            b'l' => Value::List(items),
            b'd' => Value::Dict(pairs(&items)?),
            _ => Value::Inert,
        };
        self.push(value)
    }

    /// Opcodes that add to the collection below.
    fn extend(&mut self, opcode: u8) -> Step<()> {
        let items = match opcode {
            b'a' => vec![self.pop()?],
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                vec![key, value]
            }
            _ => self.above_mark()?,
        };
        let below = self.top()?;
        match (&mut self.values[below], opcode) {
            (Value::List(list), b'a' | b'e') => list.extend(items),
            (Value::Dict(dict), b's' | b'u') => dict.extend(pairs(&items)?),
            // Sets, and entries of things beside weights.
            (Value::Inert | Value::Module { .. }, _) => {}
            _ => return Err("it adds to something that is no collection".to_owned()),
        }
        Ok(())
    }

    fn tuple(&self, id: Id) -> Step<&[Id]> {
        match &self.values[id] {
            Value::Tuple(items) | Value::List(items) => Ok(items),
            _ => Err("a tuple is expected".to_owned()),
        }
    }

    /// What a listed class makes of its arguments.
    fn make(&mut self, callable: Id, arguments: Id, called: bool) -> Step<()> {
        let Value::Class(class) = self.values[callable] else {
            return Err("it calls something that is no class".to_owned());
        };
        let arguments: Vec<Id> = self.tuple(arguments)?.iter().take(MOST_ARGUMENTS).copied().collect();
        match (class, arguments.as_slice()) {
            (Class::OrderedDict, []) => self.push(Value::Dict(Vec::new())),
            (Class::OrderedDict, &[list, ..]) => {
                self.copied += self.tuple(list)?.len();
                if self.copied > MOST_VALUES {
                    return Err(format!("its dictionaries are made of more than {MOST_VALUES} values"));
                }
                let items = self.tuple(list)?;
                let pair = |&item: &Id| match self.tuple(item) {
                    Ok(&[key, value]) => Ok((key, value)),
                    _ => Err("an OrderedDict is made of something other than pairs".to_owned()),
                };
                let pairs = items.iter().map(pair).collect::<Step<Vec<_>>>()?;
                self.push(Value::Dict(pairs))
            }
            (Class::Size, &[sizes, ..]) | (Class::RebuildParameter, &[sizes, ..]) => self.push_id(sizes),
            (Class::RebuildTensor, &[storage, offset, shape, stride, ..]) if called => {
                let view = self.view(storage, offset, shape, stride)?;
                self.push(Value::Tensor(view))
            }
            (Class::Module { norm }, _) => self.push(Value::Module { norm, state: None }),
            (Class::Set | Class::Inert, _) => self.push(Value::Inert),
            _ => Err("a class is called with arguments that it does not take".to_owned()),
        }
    }

    fn view(&self, storage: Id, offset: Id, shape: Id, stride: Id) -> Step<View> {
        if !matches!(self.values[storage], Value::Storage(_)) {
            return Err("a tensor is made of something that is no storage".to_owned());
        }
        let size = |id: Id| match self.values[id] {
            Value::Int(value) => usize::try_from(value).map_err(|_| format!("a tensor has the size or offset {value}")),
            _ => Err("a size of a tensor is no number".to_owned()),
        };
        let sizes = |id: Id| self.tuple(id)?.iter().map(|&id| size(id)).collect::<Step<Vec<_>>>();
        let (shape, stride) = (sizes(shape)?, sizes(stride)?);
        if shape.len() != stride.len() || shape.len() > MOST_DIMENSIONS {
            return Err(format!("a tensor has {} sizes and {} strides", shape.len(), stride.len()));
        }
        Ok(View { storage, offset: size(offset)? as u64, shape, stride })
    }

    fn build(&mut self, object: Id, state: Id) -> Step<()> {
        // With slots the attributes are the first of two.
        let attributes = match self.values[state] {
            Value::Tuple(ref parts) if parts.len() == 2 => parts[0],
            _ => state,
        };
        match &mut self.values[object] {
            Value::Module { state, .. } => *state = Some(attributes),
            // Attributes of dictionaries and tensors (`_metadata`, hooks) are no weights.
            Value::Dict(_) | Value::Tensor(_) | Value::Inert => {}
            _ => return Err("it gives attributes to something that takes none".to_owned()),
        }
        Ok(())
    }

    /// `('storage', type, key, location, count[, part])` and, in old files, `('module', class, file, source)`.
    fn persistent(&mut self, id: Id) -> Step<()> {
        let parts = self.tuple(id)?;
        let text = |id: Option<&Id>| match id.map(|&id| &self.values[id]) {
            Some(&Value::Text(text)) => Some(text),
            _ => None,
        };
        match (text(parts.first()), parts) {
            (Some("module"), &[_, class, ..]) => self.push_id(class),
            (Some("storage"), &[_, class, key, _, _, ref rest @ ..]) => {
                let (Value::Class(Class::Storage(element)), Some(key)) = (&self.values[class], text(Some(&key))) else {
                    return Err("a storage has no known type or key".to_owned());
                };
                // A part of another storage: its key, first element and length.
                let start = match rest.first().map(|&part| self.tuple(part)) {
                    Some(Ok(&[_, start, ..])) => match self.values[start] {
                        Value::Int(start) => u64::try_from(start).map_err(|e| e.to_string())?,
                        _ => return Err("a part of a storage has no start".to_owned()),
                    },
                    _ => 0,
                };
                self.push(Value::Storage(Storage { element: *element, key, start }))
            }
            _ => Err("a persistent id is neither a storage nor a module".to_owned()),
        }
    }
}

fn pairs(items: &[Id]) -> Step<Vec<(Id, Id)>> {
    match items.len() % 2 {
        0 => Ok(items.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()),
        _ => Err("a key of a dictionary has no value".to_owned()),
    }
}

/// A little-endian two's complement number; longer ones than 64 bits are nothing that weights need.
fn long(bytes: &[u8]) -> Value<'static> {
    if bytes.len() > 8 {
        return Value::Inert;
    }
    let negative = bytes.last().is_some_and(|b| b & 0x80 != 0);
    let fill = if negative { 0xff } else { 0 };
    let mut all = [fill; 8];
    all[..bytes.len()].copy_from_slice(bytes);
    Value::Int(i64::from_le_bytes(all))
}

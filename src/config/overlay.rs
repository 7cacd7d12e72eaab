//! Layers of TOML tables: defaults below, file and environment above.

use super::Settings;
use std::path::Path;
use toml::{Table, Value};

/// The merged table, checked against the defaults key by key.
pub struct Layers {
    merged: Table,
    defaults: Table,
}

impl Layers {
    /// Starts from the embedded defaults.
    pub fn new(defaults: &str) -> Self {
        // The embedded file is checked by a test; an empty table would fail loudly below.
        let defaults: Table = defaults.parse().unwrap_or_default();
        Self { merged: defaults.clone(), defaults }
    }

    /// Lays a file over what is there.
    pub fn file(&mut self, path: &Path, problems: &mut Vec<String>) {
        let name = path.display();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => return problems.push(format!("{name}: cannot be read: {error}")),
        };
        match text.parse::<Table>() {
            Ok(table) => self.lay(&name.to_string(), &table, problems),
            Err(error) => problems.push(format!("{name}: {error}")),
        }
    }

    /// Lays the environment's `CENTINELA__SECTION__KEY` values over what is there.
    pub fn environment(&mut self, pairs: &[(String, String)], problems: &mut Vec<String>) {
        for (name, text) in pairs {
            let Some(path) = name.strip_prefix("CENTINELA__") else { continue };
            let Some((section, key)) = path.split_once("__") else {
                problems.push(format!("{name}: write CENTINELA__SECTION__KEY"));
                continue;
            };
            let (section, key) = (section.to_lowercase(), key.to_lowercase());
            let default = self.defaults.get(&section).and_then(|s| s.get(&key));
            let value = typed(text, default);
            let table = Table::from_iter([(section, Value::Table(Table::from_iter([(key, value)])))]);
            self.lay(name, &table, problems);
        }
    }

    fn lay(&mut self, origin: &str, table: &Table, problems: &mut Vec<String>) {
        for (section, value) in table {
            let Some(known) = self.defaults.get(section).and_then(Value::as_table) else {
                problems
                    .push(format!("{origin}: unknown section [{section}]; known are {}", list(self.defaults.keys())));
                continue;
            };
            let Some(entries) = value.as_table() else {
                problems
                    .push(format!("{origin}: {section} is {}, but must be a section [{section}]", value.type_str()));
                continue;
            };
            for (key, value) in entries {
                let Some(default) = known.get(key) else {
                    problems.push(format!(
                        "{origin}: unknown key {key:?} in [{section}]; known are {}",
                        list(known.keys())
                    ));
                    continue;
                };
                let value = match (default, value) {
                    (Value::Float(_), Value::Integer(n)) => Value::Float(*n as f64),
                    _ => value.clone(),
                };
                if !default.same_type(&value) {
                    problems.push(format!(
                        "{origin}: [{section}] {key} is {}, but must be {}",
                        value.type_str(),
                        default.type_str()
                    ));
                    continue;
                }
                // Alone among the defaults, so that the message names its place and hides no other.
                if let Err(problem) = alone(&self.defaults, section, key, &value) {
                    problems.push(format!("{origin}: [{section}] {key}: {problem}"));
                    continue;
                }
                if let Some(Value::Table(entries)) = self.merged.get_mut(section) {
                    entries.insert(key.clone(), value);
                }
            }
        }
    }

    /// The settings, if the merged table makes sense.
    pub fn settings(self, problems: &mut Vec<String>) -> Option<Settings> {
        match Value::Table(self.merged).try_into() {
            Ok(settings) => Some(settings),
            Err(error) => {
                problems.push(format!("configuration: {}", error.to_string().trim()));
                None
            }
        }
    }
}

/// Whether the settings take this value.
fn alone(defaults: &Table, section: &str, key: &str, value: &Value) -> Result<(), String> {
    let mut table = defaults.clone();
    if let Some(Value::Table(entries)) = table.get_mut(section) {
        entries.insert(key.to_owned(), value.clone());
    }
    let settings: Result<Settings, _> = Value::Table(table).try_into();
    settings.map(drop).map_err(|error| error.message().trim().to_owned())
}

/// A value of the environment in the type of the default.
fn typed(text: &str, default: Option<&Value>) -> Value {
    let parsed = match default {
        Some(Value::Integer(_)) => text.parse().map(Value::Integer).ok(),
        Some(Value::Float(_)) => text.parse().map(Value::Float).ok(),
        Some(Value::Boolean(_)) => text.parse().map(Value::Boolean).ok(),
        Some(Value::Array(_)) => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            Some(Value::Array(parts.map(|part| Value::String(part.to_owned())).collect()))
        }
        _ => None,
    };
    parsed.unwrap_or_else(|| Value::String(text.to_owned()))
}

fn list<'a>(names: impl Iterator<Item = &'a String>) -> String {
    names.map(String::as_str).collect::<Vec<_>>().join(", ")
}

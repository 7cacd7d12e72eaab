//! What an examination found: the same for people and for machines.

use serde::Serialize;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// As it should be.
    Ok,
    /// Something to look at that does not keep results from arriving.
    Warning,
    /// Results cannot be delivered, or not all of them.
    Failed,
    /// Nobody looked, and the text says why.
    NotTested,
}

/// One line of the list.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// What was found.
    pub text: String,
    /// The word of the cause, if something is wrong.
    pub cause: Option<&'static str>,
    /// What to do about it.
    pub remedy: Option<String>,
}

impl Check {
    /// All is well.
    pub fn ok(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, outcome: Outcome::Ok, text: text.into(), cause: None, remedy: None }
    }

    /// Nobody looked.
    pub fn not_tested(name: &'static str, why: impl Into<String>) -> Self {
        Self { outcome: Outcome::NotTested, ..Self::ok(name, why) }
    }

    /// Something is wrong.
    pub fn failed(name: &'static str, cause: &'static str, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { outcome: Outcome::Failed, cause: Some(cause), remedy: Some(remedy.into()), ..Self::ok(name, text) }
    }

    /// Something is odd.
    pub fn warning(
        name: &'static str,
        cause: &'static str,
        text: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { outcome: Outcome::Warning, ..Self::failed(name, cause, text, remedy) }
    }
}

/// What the peer said to one class.
#[derive(Debug, Clone, Serialize)]
pub struct ClassLine {
    /// Its name.
    pub name: &'static str,
    /// Its SOP Class UID.
    pub class: &'static str,
    /// The kind of result; none for services.
    pub kind: Option<&'static str>,
    /// The transfer syntaxes that it takes.
    pub accepted: Vec<String>,
    /// Why it takes none, in words.
    pub refusal: Option<&'static str>,
}

/// What to write into ae-titles.toml.
#[derive(Debug, Clone, Serialize)]
pub struct Recommendation {
    /// The value of `deliver`.
    pub deliver: String,
    /// The class in which reports will go.
    pub sr_class: Option<String>,
    /// Why.
    pub reason: &'static str,
}

/// The entry for this node on the other side.
#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    /// Our AE title.
    pub ae_title: String,
    /// Our host, as the peer sees it; none where no connection came about.
    pub host: Option<String>,
    /// Our port.
    pub port: u16,
    /// Whether it is to call us by TLS.
    pub tls: bool,
}

/// The whole examination.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Name of the peer in ae-titles.toml.
    pub peer: String,
    /// Its AE title.
    pub ae_title: String,
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether we call it by TLS.
    pub tls: bool,
    /// What was looked at, in order.
    pub checks: Vec<Check>,
    /// What it said that it is.
    pub implementation: Option<String>,
    /// The longest P-DATA that it takes; 0 for no limit.
    pub max_pdu: Option<u32>,
    /// What it takes.
    pub classes: Vec<ClassLine>,
    /// What fits, if it said what it takes.
    pub recommended: Option<Recommendation>,
    /// `deliver` as it is configured.
    pub configured: String,
    /// Whether results can be delivered as configured.
    pub deliverable: bool,
    /// What to create on the other side.
    pub entry: Entry,
    /// Why what it takes was not kept for the node; none where it was.
    pub not_kept: Option<String>,
}

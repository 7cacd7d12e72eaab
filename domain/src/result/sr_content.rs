//! SR content items and their encoding (PS3.3 C.17.3, C.18).
//!
//! Only what the reports use: every item has a concept name, coordinates are closed polylines in
//! the image plane, and no item refers to another by its position.

use super::dataset::Dataset;
use crate::code::Code;
use crate::uid::Uid;
use dicom_core::VR;
use dicom_dictionary_std::tags;

/// Relationship Type (0040,A010) of an item to its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    Contains,
    HasObsContext,
    HasConceptMod,
    HasAcqContext,
    SelectedFrom,
    InferredFrom,
}

impl Relation {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Contains => "CONTAINS",
            Self::HasObsContext => "HAS OBS CONTEXT",
            Self::HasConceptMod => "HAS CONCEPT MOD",
            Self::HasAcqContext => "HAS ACQ CONTEXT",
            Self::SelectedFrom => "SELECTED FROM",
            Self::InferredFrom => "INFERRED FROM",
        }
    }
}

/// The value of an item, by its value type.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// CONTAINER, with its template of the DCMR mapping resource.
    Container(Option<String>),
    /// CODE.
    Code(Code),
    /// TEXT.
    Text(String),
    /// NUM: a decimal string and its unit.
    Num(String, Code),
    /// UIDREF.
    UidRef(Uid),
    /// IMAGE: SOP class and instance.
    Image(Uid, Uid),
    /// SCOORD of type POLYLINE: column and row of each point.
    Polyline(Vec<[f32; 2]>),
}

impl Value {
    const fn value_type(&self) -> &'static str {
        match self {
            Self::Container(_) => "CONTAINER",
            Self::Code(_) => "CODE",
            Self::Text(_) => "TEXT",
            Self::Num(..) => "NUM",
            Self::UidRef(_) => "UIDREF",
            Self::Image(..) => "IMAGE",
            Self::Polyline(_) => "SCOORD",
        }
    }
}

/// One content item with its children.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Item {
    /// None for the root only.
    pub(super) relation: Option<Relation>,
    pub(super) name: Code,
    pub(super) value: Value,
    pub(super) children: Vec<Item>,
}

impl Item {
    pub(super) fn new(relation: Relation, name: Code, value: Value) -> Self {
        Self { relation: Some(relation), name, value, children: Vec::new() }
    }

    pub(super) fn with(mut self, children: impl IntoIterator<Item = Self>) -> Self {
        self.children.extend(children);
        self
    }

    /// Writes the item's attributes and its Content Sequence.
    pub(super) fn write(&self, ds: &mut Dataset) {
        if let Some(relation) = self.relation {
            ds.text(tags::RELATIONSHIP_TYPE, VR::CS, relation.as_str());
        }
        ds.text(tags::VALUE_TYPE, VR::CS, self.value.value_type()).code(tags::CONCEPT_NAME_CODE_SEQUENCE, &self.name);
        match &self.value {
            Value::Container(template) => {
                ds.text(tags::CONTINUITY_OF_CONTENT, VR::CS, "SEPARATE");
                if let Some(template) = template {
                    let mut item = Dataset::new();
                    item.text(tags::MAPPING_RESOURCE, VR::CS, "DCMR").text(tags::TEMPLATE_IDENTIFIER, VR::CS, template);
                    ds.items(tags::CONTENT_TEMPLATE_SEQUENCE, vec![item]);
                }
            }
            Value::Code(code) => {
                ds.code(tags::CONCEPT_CODE_SEQUENCE, code);
            }
            Value::Text(text) => {
                ds.text(tags::TEXT_VALUE, VR::UT, text);
            }
            Value::Num(value, unit) => {
                let mut item = Dataset::new();
                item.text(tags::NUMERIC_VALUE, VR::DS, value).code(tags::MEASUREMENT_UNITS_CODE_SEQUENCE, unit);
                ds.items(tags::MEASURED_VALUE_SEQUENCE, vec![item]);
            }
            Value::UidRef(uid) => {
                ds.uid(tags::UID, uid);
            }
            Value::Image(class, instance) => {
                ds.items(tags::REFERENCED_SOP_SEQUENCE, vec![Dataset::reference(class, instance)]);
            }
            Value::Polyline(points) => {
                let flat: Vec<f32> = points.iter().flatten().copied().collect();
                ds.text(tags::GRAPHIC_TYPE, VR::CS, "POLYLINE").fl(tags::GRAPHIC_DATA, &flat);
            }
        }
        if !self.children.is_empty() {
            let children = self.children.iter().map(|child| {
                let mut item = Dataset::new();
                child.write(&mut item);
                item
            });
            ds.items(tags::CONTENT_SEQUENCE, children.collect());
        }
    }

    /// Every image that the item or a descendant refers to.
    pub(super) fn images<'a>(&'a self, into: &mut Vec<&'a Uid>) {
        if let Value::Image(_, instance) = &self.value {
            into.push(instance);
        }
        for child in &self.children {
            child.images(into);
        }
    }
}

#[cfg(test)]
mod tests;

//! Round trip: any tree of items is read back as it was, through its bytes.

use super::*;
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use proptest::prelude::*;

const RELATIONS: [Relation; 6] = [
    Relation::Contains,
    Relation::HasObsContext,
    Relation::HasConceptMod,
    Relation::HasAcqContext,
    Relation::SelectedFrom,
    Relation::InferredFrom,
];

/// Reads an item back; `None` where something that every item needs is missing.
fn decode(ds: &InMemDicomObject) -> Option<Item> {
    let text = |ds: &InMemDicomObject, tag| ds.get(tag).and_then(|e| e.to_str().ok().map(|t| t.into_owned()));
    let uid = |ds: &InMemDicomObject, tag| text(ds, tag).and_then(|t| Uid::parse(&t).ok());
    let code = |ds: &InMemDicomObject, tag| {
        let item = ds.get(tag)?.items()?.first()?;
        let part = |tag| text(item, tag);
        Some(Code::new(&part(tags::CODE_VALUE)?, &part(tags::CODING_SCHEME_DESIGNATOR)?, &part(tags::CODE_MEANING)?))
    };
    let first = |tag| ds.get(tag)?.items()?.first();
    let relation = text(ds, tags::RELATIONSHIP_TYPE);
    let value = match text(ds, tags::VALUE_TYPE)?.as_str() {
        "CONTAINER" => {
            Value::Container(first(tags::CONTENT_TEMPLATE_SEQUENCE).and_then(|t| text(t, tags::TEMPLATE_IDENTIFIER)))
        }
        "CODE" => Value::Code(code(ds, tags::CONCEPT_CODE_SEQUENCE)?),
        "TEXT" => Value::Text(text(ds, tags::TEXT_VALUE)?),
        "NUM" => {
            let measured = first(tags::MEASURED_VALUE_SEQUENCE)?;
            Value::Num(text(measured, tags::NUMERIC_VALUE)?, code(measured, tags::MEASUREMENT_UNITS_CODE_SEQUENCE)?)
        }
        "UIDREF" => Value::UidRef(uid(ds, tags::UID)?),
        "IMAGE" => {
            let reference = first(tags::REFERENCED_SOP_SEQUENCE)?;
            Value::Image(
                uid(reference, tags::REFERENCED_SOP_CLASS_UID)?,
                uid(reference, tags::REFERENCED_SOP_INSTANCE_UID)?,
            )
        }
        "SCOORD" => {
            let flat = ds.get(tags::GRAPHIC_DATA)?.to_multi_float32().ok()?;
            Value::Polyline(flat.chunks_exact(2).map(|p| [p[0], p[1]]).collect())
        }
        _ => return None,
    };
    let children = ds.get(tags::CONTENT_SEQUENCE).and_then(|e| e.items()).unwrap_or_default();
    Some(Item {
        relation: match relation {
            None => None,
            Some(word) => Some(RELATIONS.into_iter().find(|r| r.as_str() == word)?),
        },
        name: code(ds, tags::CONCEPT_NAME_CODE_SEQUENCE)?,
        value,
        children: children.iter().map(decode).collect::<Option<_>>()?,
    })
}

fn through_bytes(item: &Item) -> Option<Item> {
    let mut ds = Dataset::new();
    ds.text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192");
    item.write(&mut ds);
    let meta = FileMetaTableBuilder::new()
        .media_storage_sop_class_uid("1.2.3")
        .media_storage_sop_instance_uid("1.2.3")
        .transfer_syntax("1.2.840.10008.1.2.1")
        .build()
        .ok()?;
    let mut bytes = Vec::new();
    ds.into_inner().with_exact_meta(meta).write_all(&mut bytes).ok()?;
    decode(&dicom_object::from_reader(&bytes[..]).ok()?.into_inner())
}

fn codes() -> impl Strategy<Value = Code> {
    ("[0-9A-Z]{1,16}", "[A-Z]{2,8}", "[A-Za-zÀ-ÿ山]([A-Za-zÀ-ÿ山 ]{0,40}[a-zß山])?")
        .prop_map(|(value, scheme, meaning)| Code::new(&value, &scheme, &meaning))
}

fn uids() -> impl Strategy<Value = Uid> {
    "[a-z]{1,8}".prop_map(|seed| Uid::derive(&[&seed]))
}

fn values() -> impl Strategy<Value = Value> {
    let point = prop::array::uniform2(-1.0e5_f32..1.0e5);
    prop_oneof![
        prop::option::of("[0-9]{1,8}").prop_map(Value::Container),
        codes().prop_map(Value::Code),
        "[!-~À-ÿ]([ -~À-ÿ山\n]{0,200}[!-~])?".prop_map(Value::Text),
        ("-?[0-9]{1,6}(\\.[0-9]{1,4})?", codes()).prop_map(|(n, unit)| Value::Num(n, unit)),
        uids().prop_map(Value::UidRef),
        (uids(), uids()).prop_map(|(class, instance)| Value::Image(class, instance)),
        prop::collection::vec(point, 1..40).prop_map(Value::Polyline),
    ]
}

fn trees() -> impl Strategy<Value = Item> {
    let relation = || prop::sample::select(&RELATIONS[..]).prop_map(Some);
    let leaf = (relation(), codes(), values()).prop_map(|(relation, name, value)| Item {
        relation,
        name,
        value,
        children: Vec::new(),
    });
    leaf.prop_recursive(4, 24, 4, move |inner| {
        (relation(), codes(), values(), prop::collection::vec(inner, 0..4))
            .prop_map(|(relation, name, value, children)| Item { relation, name, value, children })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_tree_survives_its_encoding(tree in trees()) {
        prop_assert_eq!(through_bytes(&tree), Some(tree));
    }
}

#[test]
fn a_root_has_no_relation() {
    let root = Item { relation: None, name: Code::dcm("1", "m"), value: Value::Container(None), children: Vec::new() };
    assert_eq!(through_bytes(&root), Some(root));
}

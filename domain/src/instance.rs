//! What is known of one received instance: the attributes that the node indexes and the gate reads.

use crate::phi::Phi;
use crate::priority::Urgency;
use crate::text::CharsetDoubt;
use crate::uid::Uid;
use serde::{Deserialize, Serialize};

/// The indexed attributes of one instance, read once from its header by [`crate::header`].
///
/// Absent and empty attributes are both `None` or an empty list. Texts are decoded and trimmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceHeader {
    /// SOP Class UID (0008,0016) of the data set.
    pub sop_class: Uid,
    /// SOP Instance UID (0008,0018) of the data set.
    pub sop_instance: Uid,
    /// Study Instance UID (0020,000D).
    pub study: Uid,
    /// Series Instance UID (0020,000E).
    pub series: Uid,
    /// Modality (0008,0060).
    pub modality: Option<String>,
    /// Presentation Intent Type (0008,0068).
    pub presentation_intent: Option<String>,
    /// Image Type (0008,0008).
    pub image_type: Vec<String>,
    /// Body Part Examined (0018,0015).
    pub body_part: Option<String>,
    /// View Position (0018,5101).
    pub view_position: Option<String>,
    /// View Code Sequence (0054,0220): `scheme:value` of each item.
    pub view_codes: Vec<String>,
    /// Anatomic Region Sequence (0008,2218): `scheme:value` of each item.
    pub region_codes: Vec<String>,
    /// Patient Orientation (0020,0020).
    pub patient_orientation: Vec<String>,
    /// The most specific first: Series Description (0008,103E), Protocol Name (0018,1030),
    /// Acquisition Device Processing Description (0018,1400), Performed Procedure Step Description
    /// (0040,0254), Study Description (0008,1030).
    pub descriptions: Vec<Phi<String>>,
    /// Species: `scheme:value` of the Patient Species Code Sequence (0010,2202), else the Patient
    /// Species Description (0010,2201).
    pub species: Option<String>,
    /// Age in whole years by Patient's Age (0010,1010), else by birth date and study date.
    pub age_years: Option<u16>,
    /// Manufacturer (0008,0070).
    pub manufacturer: Option<String>,
    /// Manufacturer's Model Name (0008,1090).
    pub model_name: Option<String>,
    /// Manufacturer and model of each item of the Contributing Equipment Sequence (0018,A001).
    #[serde(default)]
    pub contributors: Vec<(String, String)>,
    /// Rows (0028,0010).
    pub rows: Option<u32>,
    /// Columns (0028,0011).
    pub columns: Option<u32>,
    /// Number of Frames (0028,0008).
    pub frames: Option<u32>,
    /// Samples per Pixel (0028,0002).
    pub samples: Option<u16>,
    /// Bits Allocated (0028,0100).
    pub bits_allocated: Option<u16>,
    /// Photometric Interpretation (0028,0004).
    pub photometric: Option<String>,
    /// Whether a Pixel Data element (7FE0,0010) follows.
    pub has_pixels: bool,
    /// Series Number (0020,0011): result series never take a source's number.
    pub series_number: Option<i32>,
    /// Requested Procedure Priority (0040,1003), of the film or of an item of its Request Attributes Sequence
    /// (0040,0275).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested: Option<Urgency>,
    /// SHA-256 over the patient and study identity: equal digests mean the same patient and study.
    pub identity_digest: String,
    /// Why the decoded texts may differ from what the sender meant; `None` where there is no doubt.
    #[serde(default)]
    pub charset_doubt: Option<CharsetDoubt>,
}

// `Phi` in a persisted header: the text is stored, but Debug stays silent.
impl Serialize for Phi<String> {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.reveal())
    }
}

impl<'de> Deserialize<'de> for Phi<String> {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d).map(Phi::new)
    }
}

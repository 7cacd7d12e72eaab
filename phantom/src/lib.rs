//! A parametric chest phantom: films with known truth, written as CR, DX and Secondary Capture
//! objects (PS3.3 A.2, A.26, A.8) for the fixtures, the demo and the load tests.
//!
//! Everything is a function of a [`Spec`]: the same specification gives the same bytes on every
//! machine. The picture uses only `+ - * /`, `sqrt` and `floor`, which IEEE 754 rounds exactly, in
//! a fixed order; no `exp`, `sin` or `powi`, whose last bit differs between platforms.
//!
//! Nobody in these films exists: the names are listed in [`PATIENT_NAMES`].

mod bones;
mod catalogue;
mod charset;
mod chest;
mod collection;
mod covering;
mod dataset;
mod film;
mod header;
mod lateral;
mod noise;
mod pathology;
mod pelvis;
mod plane;
mod results;
mod shape;
mod spec;
mod vessels;

pub use catalogue::{Fixture, Truth, fixtures};
pub use collection::collection;
pub use covering::{Case, CaseFilm, Encoding, Pictures, covering, manifest, product};
pub use film::{Film, film};
pub use header::{write_dicom, write_dicom_with};
pub use spec::{Charset, Fault, Kind, Marker, Pathology, Patient, Photometric, Side, Spec, Study, Syntax, View, Voi};

/// The patient names in every film that this crate can write, as their DICOM PN text in Unicode.
///
/// A test looks for them in captured logs: no log may hold one.
pub const PATIENT_NAMES: &[&str] = &[
    "Quintanilla^Rosaura",
    "Muñoz Ibáñez^José Ángel",
    "Yamada^Tarou=山田^太郎=やまだ^たろう",
    "Nguyễn^Thị Hồng",
    "Brzezicki^Wacław",
    "Okonkwo^Chidimma",
    "Lindqvist^Torvald",
    "Abernathy^Philomena^J",
    "Castellanos^Iker",
    "Haugland^Ingeborg",
    "Petrosyan^Anahit",
    "Vandermeersch^Lieselot",
    "Tremblay^Éloïse",
    "Zubizarreta^Nekane",
    "Kowalczyk^Bartosz",
    "Ferreira^Lourenço",
    "Estrella de Mar",
    "Hong^Gildong=洪^吉洞=홍^길동",
    "Wang^XiaoDong=王^小东",
    "Yamada^Sensei=山田^先生=やまだ",
    "Kim^Seonsaeng==김^선생",
    "Zhang^XiaoSheng=张^小生",
];

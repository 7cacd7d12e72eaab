//! Who wrote a file or opened an association: implementation identification (PS3.7 annex D.3.3.2,
//! PS3.10 section 7.1).

use crate::uid::Uid;

/// Implementation Version Name: at most 16 characters.
pub const IMPLEMENTATION_VERSION: &str = "CENTINELA_0_1";

/// Implementation Class UID, the same in every association and every file of this program.
#[must_use]
pub fn implementation_class_uid() -> Uid {
    Uid::derive(&["implementation", "centinela"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fits_the_value_representations() {
        assert!(IMPLEMENTATION_VERSION.len() <= 16);
        assert!(implementation_class_uid().as_str().len() <= 64);
    }
}

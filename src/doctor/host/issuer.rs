use x509_cert::{
    Certificate,
    der::{
        Decode as _,
        asn1::{PrintableStringRef, Utf8StringRef},
    },
};

/// Returns the issuer of a certificate for messages: its common name and organization.
pub(super) fn issuer(der: &[u8]) -> Option<String> {
    const COMMON_NAME: &str = "2.5.4.3";
    const ORGANIZATION: &str = "2.5.4.10";
    let certificate = Certificate::from_der(der).ok()?;
    let part = |wanted: &str| {
        let names = certificate.tbs_certificate.issuer.0.iter();
        names
            .flat_map(|name| name.0.iter())
            .find(|pair| pair.oid.to_string() == wanted)
            .and_then(|pair| {
                let utf8 = pair.value.decode_as::<Utf8StringRef<'_>>().map(|text| text.to_string());
                let printable = || {
                    pair.value
                        .decode_as::<PrintableStringRef<'_>>()
                        .map(|text| text.to_string())
                };
                utf8.or_else(|_| printable()).ok()
            })
    };
    match (part(COMMON_NAME), part(ORGANIZATION)) {
        (Some(name), Some(of)) => Some(format!("{name} ({of})")),
        (Some(one), None) | (None, Some(one)) => Some(one),
        (None, None) => Some(certificate.tbs_certificate.issuer.to_string()).filter(|text| !text.is_empty()),
    }
}

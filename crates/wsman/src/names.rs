//! The names of the protocol: namespaces, actions and the prefixes that answers bind to them (DSP0226 annex A,
//! MS-WSMV 2.2.1). Requests bind prefixes as they like; only namespaces count there.

/// SOAP 1.2.
pub(crate) const SOAP: &str = "http://www.w3.org/2003/05/soap-envelope";
/// SOAP 1.1, which is refused.
pub(crate) const SOAP_1_1: &str = "http://schemas.xmlsoap.org/soap/envelope/";
/// WS-Addressing.
pub(crate) const ADDRESSING: &str = "http://schemas.xmlsoap.org/ws/2004/08/addressing";
/// WS-Management.
pub(crate) const WSMAN: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd";
/// WS-Enumeration.
pub(crate) const ENUMERATION: &str = "http://schemas.xmlsoap.org/ws/2004/09/enumeration";
/// WS-Transfer.
pub(crate) const TRANSFER: &str = "http://schemas.xmlsoap.org/ws/2004/09/transfer";
/// The binding to CIM (DSP0227).
pub(crate) const CIM_BINDING: &str = "http://schemas.dmtf.org/wbem/wsman/1/cimbinding.xsd";
/// Microsoft's additions to WS-Management.
pub(crate) const MICROSOFT: &str = "http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd";
/// Microsoft's details of faults.
pub(crate) const FAULT: &str = "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault";
/// The values of CIM in XML (DSP0230).
pub(crate) const CIM: &str = "http://schemas.dmtf.org/wbem/wscim/1/common";
/// Identify.
pub(crate) const IDENTITY: &str = "http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd";
/// Identify as one table of a specification misprints it and some clients send it.
pub(crate) const IDENTITY_MISPRINT: &str = "http://schemas.dmtf.org/wbem/wsman/identify/1/wsmanidentity.xsd";
/// `xsi:nil`, `xsi:type`.
pub(crate) const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
/// The namespace of `xml:lang`.
pub(crate) const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// The address of whoever sent the request.
pub(crate) const ANONYMOUS: &str = "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous";
/// What the URIs of fault details begin with.
pub(crate) const FAULT_DETAIL: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/faultDetail/";

/// The namespaces that every answer declares on its envelope, with their prefixes. The bodies rely on them; `p` is left
/// to the instances, as clients of Windows know it.
pub(crate) const PREFIXES: [(&str, &str); 8] = [
    ("xmlns:s", SOAP),
    ("xmlns:a", ADDRESSING),
    ("xmlns:x", TRANSFER),
    ("xmlns:n", ENUMERATION),
    ("xmlns:w", WSMAN),
    ("xmlns:b", CIM_BINDING),
    ("xmlns:m", MICROSOFT),
    ("xmlns:xsi", XSI),
];

/// Actions. Those of answers have `Response` at their end.
pub(crate) mod action {
    /// WS-Transfer.
    pub(crate) const GET: &str = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Get";
    /// WS-Transfer.
    pub(crate) const PUT: &str = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Put";
    /// WS-Transfer.
    pub(crate) const CREATE: &str = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Create";
    /// WS-Transfer.
    pub(crate) const DELETE: &str = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Delete";
    /// WS-Enumeration.
    pub(crate) const ENUMERATE: &str = "http://schemas.xmlsoap.org/ws/2004/09/enumeration/Enumerate";
    /// WS-Enumeration.
    pub(crate) const PULL: &str = "http://schemas.xmlsoap.org/ws/2004/09/enumeration/Pull";
    /// WS-Enumeration.
    pub(crate) const RELEASE: &str = "http://schemas.xmlsoap.org/ws/2004/09/enumeration/Release";

    /// Faults of WS-Addressing and SOAP.
    pub(crate) const ADDRESSING_FAULT: &str = "http://schemas.xmlsoap.org/ws/2004/08/addressing/fault";
    /// Faults of WS-Management.
    pub(crate) const WSMAN_FAULT: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault";
    /// Faults of WS-Enumeration.
    pub(crate) const ENUMERATION_FAULT: &str = "http://schemas.xmlsoap.org/ws/2004/09/enumeration/fault";
    /// Faults of WS-Transfer.
    pub(crate) const TRANSFER_FAULT: &str = "http://schemas.xmlsoap.org/ws/2004/09/transfer/fault";
}

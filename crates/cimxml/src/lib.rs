//! CIM-XML: the provider over DSP0200, as the WBEM tools speak it.

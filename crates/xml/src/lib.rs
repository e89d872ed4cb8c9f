//! XML under limits: what the SOAP and CIM-XML front ends read and write, and the class declarations that both show.

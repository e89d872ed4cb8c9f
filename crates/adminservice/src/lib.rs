//! adminservice

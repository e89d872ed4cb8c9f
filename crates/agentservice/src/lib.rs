//! agentservice

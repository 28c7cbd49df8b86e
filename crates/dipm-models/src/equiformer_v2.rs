//! EquiformerV2: attention with messages in the frame of each edge.

mod config;

pub use config::EquiformerV2Config;

//! The actor that keeps the index true to the engine.

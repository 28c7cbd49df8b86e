//! The engine: fields over spaces, derivatives, plan and execution.

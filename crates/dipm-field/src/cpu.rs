//! (interim) Executor that runs the reference.
use crate::{Bindings, FieldError, Plan, reference};
use std::collections::HashMap;
/// f32 or f64.
pub trait Scalar: Copy + Send + Sync + Default + std::fmt::Debug + 'static {
    /// From f64.
    fn from_f64(x: f64) -> Self;
    /// To f64.
    fn to_f64(self) -> f64;
}
impl Scalar for f32 {
    fn from_f64(x: f64) -> f32 {
        x as f32
    }
    fn to_f64(self) -> f64 {
        self as f64
    }
}
impl Scalar for f64 {
    fn from_f64(x: f64) -> f64 {
        x
    }
    fn to_f64(self) -> f64 {
        self
    }
}
/// Runs a plan.
pub struct Executor<T> {
    plan: Plan,
    values: HashMap<String, Vec<T>>,
}
impl<T: Scalar> Executor<T> {
    /// For a plan.
    pub fn new(plan: Plan) -> Self {
        Self {
            plan,
            values: HashMap::new(),
        }
    }
    /// Run.
    pub fn run(&mut self, bindings: &Bindings<'_, T>) -> Result<(), FieldError> {
        let (b, store) = bindings.to_f64();
        let mut b = b;
        for (n, v) in &store {
            b = b.input(n, v);
        }
        let outs: Vec<_> = self
            .plan
            .outputs
            .iter()
            .map(|o| self.plan.graph.at(o.1))
            .collect();
        let v = reference::evaluate(&self.plan.graph, &outs, &b)?;
        for (o, v) in self.plan.outputs.iter().zip(v) {
            self.values.insert(
                o.0.clone(),
                v.data.iter().map(|&x| T::from_f64(x)).collect(),
            );
        }
        Ok(())
    }
    /// Output.
    pub fn output(&self, name: &str) -> &[T] {
        &self.values[name]
    }
}

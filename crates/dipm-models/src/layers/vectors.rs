//! Products of vectors [M, C] and scalars `[C]`, channel by channel.
//!
//! Each is one sparse product of the engine, so that no intermediate of the size of a vector is
//! formed, and a sum over edges that follows is taken along the way.

use dipm_field::{Field, ProductTable, Slot};

/// Σ_m a_m ∘ b_m, two vectors [M, C] → `[C]`.
pub fn dot<'g>(a: Field<'g>, b: Field<'g>) -> Field<'g> {
    let [components, channels] = shape(a);
    let slots = [components, components, 1].map(Slot::channels);
    let table = ProductTable::new(&slots, (0..components).map(|m| (vec![m, m, 0], 1.0)));
    let product = a.graph().product(&table, 2, &[Some(a), Some(b), None]);
    product.reshape(&[channels])
}

/// v_m ∘ x, a vector [M, C] and scalars `[C]` → [M, C].
pub fn scale<'g>(v: Field<'g>, x: Field<'g>) -> Field<'g> {
    let [components, channels] = shape(v);
    let slots = [components, 1, components].map(Slot::channels);
    let table = ProductTable::new(&slots, (0..components).map(|m| (vec![m, 0, m], 1.0)));
    let x = x.reshape(&[1, channels]);
    v.graph().product(&table, 2, &[Some(v), Some(x), None])
}

/// s_m x, numbers `[M]` and scalars `[C]` → [M, C].
pub fn outer<'g>(s: Field<'g>, x: Field<'g>) -> Field<'g> {
    let components = s.shape()[0];
    let table = numbers_table(components);
    let x = x.reshape(&[1, x.shape()[0]]);
    x.graph().product(&table, 2, &[Some(s), Some(x), None])
}

/// Σ_m s_m v_m, numbers `[M]` and a vector [M, C] → `[C]`.
pub fn along<'g>(s: Field<'g>, v: Field<'g>) -> Field<'g> {
    let [components, channels] = shape(v);
    let table = numbers_table(components);
    let product = v.graph().product(&table, 1, &[Some(s), None, Some(v)]);
    product.reshape(&[channels])
}

/// s_m x_0 y_m
fn numbers_table(components: usize) -> ProductTable {
    let slots = [
        Slot::scalars(components),
        Slot::channels(1),
        Slot::channels(components),
    ];
    ProductTable::new(&slots, (0..components).map(|m| (vec![m, 0, m], 1.0)))
}

fn shape(v: Field<'_>) -> [usize; 2] {
    v.shape().try_into().expect("a vector has two axes")
}

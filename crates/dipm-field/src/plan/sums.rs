//! Sums over rows of products become one step that adds every product to the sum it belongs to, so
//! that the products themselves are never written.

use super::access::{Access, Rows};
use super::place::users;
use super::program::{Fold, Kernel, Program, Source, Step, Term};
use crate::Map;
use crate::functions::Binary;

/// Fewest numbers of a sum: below, adding to it in memory takes as long as writing the products.
const LEAST_WIDTH: usize = 32;

/// Replaces sums of products, and of sums of products, along maps.
pub(super) fn sum_products(program: &mut Program) {
    let users = users(program);
    let mut is_dead = vec![false; program.steps.len()];
    for index in 0..program.steps.len() {
        let step = &program.steps[index];
        let map = match step.kernel {
            Kernel::FoldReceiver(Fold::Sum) => Map::Receiver,
            Kernel::FoldInto(Fold::Sum, map) => map,
            _ => continue,
        };
        let mut found = Found {
            program,
            users: &users,
            products: vec![],
            passed: vec![],
        };
        if !found.collect(index, &step.operands[0]) || !found.is_worthwhile(map) {
            continue;
        }
        let Found {
            products, passed, ..
        } = found;
        let terms = products.iter().map(|&product| {
            let step = &program.steps[product];
            let Kernel::Product { table, open } = step.kernel else {
                unreachable!("only products are collected")
            };
            let num_operands = step.operands.len();
            Term {
                table,
                open,
                num_operands,
            }
        });
        let kernel = Kernel::ProductSum {
            terms: terms.collect(),
            map,
        };
        let operands = products
            .iter()
            .flat_map(|&product| program.steps[product].operands.clone())
            .collect();
        for step in products.into_iter().chain(passed) {
            is_dead[step] = true;
        }
        let step = &mut program.steps[index];
        (step.kernel, step.operands) = (kernel, operands);
    }
    let order: Vec<usize> = (0..is_dead.len()).filter(|&i| !is_dead[i]).collect();
    program.take_steps(&order);
}

/// What a sum is made of.
struct Found<'a> {
    program: &'a Program,
    users: &'a [Vec<usize>],
    /// Steps that multiply.
    products: Vec<usize>,
    /// Steps that add products to each other.
    passed: Vec<usize>,
}

impl Found<'_> {
    /// Whether what `reader` reads through `access` is a product, or a sum of such, that nothing else
    /// reads; adds them.
    fn collect(&mut self, reader: usize, access: &Access) -> bool {
        let value = &self.program.values[access.value];
        let Source::Step(writer) = value.source else {
            return false;
        };
        let is_whole = access.rows == Rows::Same
            && access.is_dense()
            && access.offset == 0
            && access.row_stride == value.width
            && access.shape.iter().product::<usize>() == value.width;
        if !is_whole
            || value.width < LEAST_WIDTH
            || self.users[access.value] != [reader]
            || self.program.is_output(access.value)
        {
            return false;
        }
        let step = &self.program.steps[writer];
        match &step.kernel {
            Kernel::Product { table, open } => {
                self.products.push(writer);
                self.program.tables[*table].slots()[*open].channels
            }
            Kernel::Binary(Binary::Add) => {
                let [x, y] = &step.operands[..] else {
                    return false;
                };
                self.passed.push(writer);
                x.value != y.value && self.collect(writer, x) && self.collect(writer, y)
            }
            _ => false,
        }
    }

    /// Whether it takes less memory to keep what the products are made of, for a sum that is not
    /// computed while its rows are.
    fn is_worthwhile(&self, map: Map) -> bool {
        if map == Map::Receiver {
            return true;
        }
        let width = |access: &Access| self.program.values[access.value].width;
        let steps = self.products.iter().map(|&step| &self.program.steps[step]);
        let kept = |step: &Step| {
            let own = step.operands.iter().filter(|x| x.rows == Rows::Same);
            own.map(width).sum::<usize>()
        };
        let product = |step: &Step| self.program.values[step.output].width;
        2 * steps.clone().map(kept).sum::<usize>() <= steps.map(product).sum::<usize>()
    }
}

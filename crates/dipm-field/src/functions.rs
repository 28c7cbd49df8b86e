//! Pointwise functions: what they are, and how they are written for fields.

use crate::Field;
use std::ops;

/// A pointwise function of one argument.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Unary {
    /// −x
    Neg,
    /// 1/x
    Recip,
    /// √x
    Sqrt,
    /// eˣ
    Exp,
    /// ln x
    Log,
    /// sin x
    Sin,
    /// cos x
    Cos,
    /// tanh x
    Tanh,
    /// 1/(1 + e⁻ˣ)
    Sigmoid,
    /// The n-th derivative of x·sigmoid(x), n ≤ 4.
    Silu(u8),
    /// |x|
    Abs,
    /// −1, 0 or 1; its derivative is 0.
    Sign,
    /// 1 where x > 0, else 0; its derivative is 0.
    Step,
    /// xⁿ for a whole n.
    Power(i32),
}

/// A pointwise function of two arguments, with broadcasting.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Binary {
    /// a + b
    Add,
    /// a − b
    Sub,
    /// a · b
    Mul,
    /// a / b
    Div,
}

impl Unary {
    /// f(x) in double precision: the definition that every kernel is tested against.
    pub fn value(self, x: f64) -> f64 {
        match self {
            Unary::Neg => -x,
            Unary::Recip => 1.0 / x,
            Unary::Sqrt => x.sqrt(),
            Unary::Exp => x.exp(),
            Unary::Log => x.ln(),
            Unary::Sin => x.sin(),
            Unary::Cos => x.cos(),
            Unary::Tanh => x.tanh(),
            Unary::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Unary::Silu(order) => {
                let s = 1.0 / (1.0 + (-x).exp());
                let c = 1.0 - s;
                // derivatives of s: s' = sc, s'' = sc(c−s), s''' = sc(1 − 6sc), s⁗ = sc(c−s)(1−12sc)
                let (d1, d2) = (s * c, s * c * (c - s));
                let (d3, d4) = (d1 * (1.0 - 6.0 * d1), d2 * (1.0 - 12.0 * d1));
                match order {
                    0 => x * s,
                    1 => s + x * d1,
                    2 => 2.0 * d1 + x * d2,
                    3 => 3.0 * d2 + x * d3,
                    4 => 4.0 * d3 + x * d4,
                    _ => panic!("derivative {order} of silu is not available"),
                }
            }
            Unary::Abs => x.abs(),
            Unary::Sign => {
                if x == 0.0 {
                    0.0
                } else {
                    x.signum()
                }
            }
            Unary::Step => f64::from(x > 0.0),
            Unary::Power(exponent) => x.powi(exponent),
        }
    }
}

impl Binary {
    /// f(a, b) in double precision.
    pub fn value(self, a: f64, b: f64) -> f64 {
        match self {
            Binary::Add => a + b,
            Binary::Sub => a - b,
            Binary::Mul => a * b,
            Binary::Div => a / b,
        }
    }
}

impl<'g> Field<'g> {
    /// √x
    pub fn sqrt(self) -> Self {
        self.unary(Unary::Sqrt)
    }

    /// eˣ
    pub fn exp(self) -> Self {
        self.unary(Unary::Exp)
    }

    /// ln x
    pub fn log(self) -> Self {
        self.unary(Unary::Log)
    }

    /// sin x
    pub fn sin(self) -> Self {
        self.unary(Unary::Sin)
    }

    /// cos x
    pub fn cos(self) -> Self {
        self.unary(Unary::Cos)
    }

    /// tanh x
    pub fn tanh(self) -> Self {
        self.unary(Unary::Tanh)
    }

    /// 1/(1 + e⁻ˣ)
    pub fn sigmoid(self) -> Self {
        self.unary(Unary::Sigmoid)
    }

    /// x·sigmoid(x)
    pub fn silu(self) -> Self {
        self.unary(Unary::Silu(0))
    }

    /// |x|
    pub fn abs(self) -> Self {
        self.unary(Unary::Abs)
    }

    /// 1/x
    pub fn recip(self) -> Self {
        self.unary(Unary::Recip)
    }

    /// 1 where x > 0, else 0.
    pub fn step(self) -> Self {
        self.unary(Unary::Step)
    }

    /// xⁿ for a whole n.
    pub fn power(self, exponent: i32) -> Self {
        self.unary(Unary::Power(exponent))
    }
}

macro_rules! arithmetic {
    ($($trait:ident $method:ident)*) => {$(
        impl<'g> ops::$trait for Field<'g> {
            type Output = Self;
            fn $method(self, other: Self) -> Self {
                self.binary(Binary::$trait, other)
            }
        }
        impl<'g> ops::$trait<f64> for Field<'g> {
            type Output = Self;
            fn $method(self, other: f64) -> Self {
                self.binary(Binary::$trait, self.graph.literal(other))
            }
        }
        impl<'g> ops::$trait<Field<'g>> for f64 {
            type Output = Field<'g>;
            fn $method(self, other: Field<'g>) -> Field<'g> {
                other.graph.literal(self).binary(Binary::$trait, other)
            }
        }
    )*};
}
arithmetic!(Add add Sub sub Mul mul Div div);

impl ops::Neg for Field<'_> {
    type Output = Self;
    fn neg(self) -> Self {
        self.unary(Unary::Neg)
    }
}

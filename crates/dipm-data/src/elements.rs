//! Symbols and atomic numbers of the chemical elements.

/// Symbols by atomic number; entry 0 is unused.
const SYMBOLS: [&str; 119] = [
    "", "H", "He", "Li", "Be", "B", "C", "N", "O", "F", "Ne", "Na", "Mg", "Al", "Si", "P", "S",
    "Cl", "Ar", "K", "Ca", "Sc", "Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Zn", "Ga", "Ge",
    "As", "Se", "Br", "Kr", "Rb", "Sr", "Y", "Zr", "Nb", "Mo", "Tc", "Ru", "Rh", "Pd", "Ag", "Cd",
    "In", "Sn", "Sb", "Te", "I", "Xe", "Cs", "Ba", "La", "Ce", "Pr", "Nd", "Pm", "Sm", "Eu", "Gd",
    "Tb", "Dy", "Ho", "Er", "Tm", "Yb", "Lu", "Hf", "Ta", "W", "Re", "Os", "Ir", "Pt", "Au", "Hg",
    "Tl", "Pb", "Bi", "Po", "At", "Rn", "Fr", "Ra", "Ac", "Th", "Pa", "U", "Np", "Pu", "Am", "Cm",
    "Bk", "Cf", "Es", "Fm", "Md", "No", "Lr", "Rf", "Db", "Sg", "Bh", "Hs", "Mt", "Ds", "Rg", "Cn",
    "Nh", "Fl", "Mc", "Lv", "Ts", "Og",
];

/// Symbol of the element with this atomic number, `None` outside 1–118.
pub fn element_symbol(atomic_number: u8) -> Option<&'static str> {
    match atomic_number {
        0 => None,
        z => SYMBOLS.get(usize::from(z)).copied(),
    }
}

/// Symbol for messages: `Z=0` where there is no element.
pub fn symbol_or_number(atomic_number: u8) -> String {
    element_symbol(atomic_number).map_or_else(|| format!("Z={atomic_number}"), str::to_owned)
}

/// Symbols of several elements, comma-separated.
pub fn symbol_list(atomic_numbers: impl IntoIterator<Item = u8>) -> String {
    let symbols: Vec<String> = atomic_numbers.into_iter().map(symbol_or_number).collect();
    symbols.join(", ")
}

/// Atomic number of a symbol (any case: `Cl`, `CL`, `cl`), or of a number written as text.
pub fn atomic_number(symbol: &str) -> Option<u8> {
    let known = SYMBOLS.iter().skip(1);
    if let Some(z) = known
        .into_iter()
        .position(|s| s.eq_ignore_ascii_case(symbol))
    {
        return u8::try_from(z + 1).ok();
    }
    let z: u8 = symbol.parse().ok()?;
    element_symbol(z).map(|_| z)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_and_numbers_are_inverse() {
        for z in 1..=118 {
            assert_eq!(atomic_number(element_symbol(z).unwrap()), Some(z));
        }
        assert_eq!(atomic_number("CL"), Some(17));
        assert_eq!(atomic_number("26"), Some(26));
        for bad in ["", "X", "0", "119", "300", "H1", "-1"] {
            assert_eq!(atomic_number(bad), None, "{bad}");
        }
    }
}

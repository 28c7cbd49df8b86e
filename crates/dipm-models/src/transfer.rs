//! Models to go on from: the same network with a part taken away.

use dipm_data::DatasetInfo;

use crate::{Model, ModelConfig, ModelError, Parameter, ParameterSpec, Values};

impl Model {
    /// The model without its force head, so that forces are derivatives of the energy; the model
    /// itself if it has none.
    ///
    /// # Errors
    /// [`ModelError::Config`] when the options do not go together without the head.
    pub fn without_force_head(&self) -> Result<Self, ModelError> {
        let mut options = self.config.to_json();
        options["force_head"] = false.into();
        let config = self
            .config
            .target()
            .read_config(options)
            .expect("every architecture has the option `force_head`");
        self.reduced(config, self.dataset_info.clone())
    }

    /// The model of fewer elements. Energies and forces of structures of these elements stay as
    /// they are, to the rounding of parameters that depend on the number of elements.
    ///
    /// # Errors
    /// [`ModelError::Dataset`] when `is_kept` holds for none of the elements.
    pub fn with_elements(&self, is_kept: impl Fn(u8) -> bool) -> Result<Self, ModelError> {
        let mut info = self.dataset_info.clone();
        info.atomic_energies_map.retain(is_kept);
        self.reduced(self.config.clone(), info)
    }

    /// The model with those of its parameters that other options and fewer elements leave.
    fn reduced(&self, config: ModelConfig, info: DatasetInfo) -> Result<Self, ModelError> {
        let before = self.architecture().parameters();
        let after = config.build(&info)?.parameters();
        let elements = info.atomic_energies_map.elements();
        let rows = KeptRows {
            num_before: self.species().atomic_numbers().len(),
            kept: elements
                .iter()
                .map(|z| self.species().species(*z).expect("it was an element") as usize)
                .collect(),
        };
        let old = before.iter().zip(&self.parameters);
        let parameters = after.iter().map(|spec| {
            let (old, parameter) = old
                .clone()
                .find(|(old, _)| old.name == spec.name)
                .expect("nothing is added");
            rows.select(parameter, old, spec)
        });
        Ok(Self {
            parameters: parameters.collect(),
            config,
            dataset_info: info,
            predict_stress: self.predict_stress,
        })
    }
}

/// Which species remain.
struct KeptRows {
    num_before: usize,
    /// Old indices of the remaining species, ascending.
    kept: Vec<usize>,
}

impl KeptRows {
    /// The part of a parameter that belongs to the remaining species. Which axes run over species
    /// is seen from the two shapes: nothing else differs between the two networks.
    fn select(&self, parameter: &Parameter, old: &ParameterSpec, new: &ParameterSpec) -> Parameter {
        let mut shape = old.shape.clone();
        let mut values: Vec<f64> = parameter.values.iter().collect();
        assert_eq!(shape.len(), new.shape.len(), "axes of {}", new.name);
        for axis in 0..shape.len() {
            if shape[axis] == new.shape[axis] {
                continue;
            }
            let lengths = (shape[axis], new.shape[axis]);
            let expected = (self.num_before, self.kept.len());
            assert_eq!(lengths, expected, "axis {axis} of {}", new.name);
            let inner: usize = shape[axis + 1..].iter().product();
            let blocks = values.chunks_exact(inner * shape[axis]);
            let rows =
                blocks.flat_map(|block| self.kept.iter().map(|row| &block[row * inner..][..inner]));
            values = rows.flatten().copied().collect();
            shape[axis] = self.kept.len();
        }
        if new.over_root_species && self.kept.len() < self.num_before {
            // the network divides by less, so that its values would grow
            let factor = (self.kept.len() as f64 / self.num_before as f64).sqrt();
            values.iter_mut().for_each(|value| *value *= factor);
        }
        Parameter {
            name: new.name.clone(),
            shape,
            values: Values::new(parameter.values.precision(), values),
        }
    }
}

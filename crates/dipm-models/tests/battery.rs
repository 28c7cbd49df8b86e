//! What every architecture must obey. A new architecture adds one line.

mod contract;
#[allow(dead_code)] // the battery needs the structures only
mod stored;

use contract::contract;
use dipm_models::NequipConfig;

contract!(nequip, NequipConfig::small());

//! `/metrics`: the node's views as Prometheus metrics, taken when the scraper asks.
//!
//! | module | subject |
//! |---|---|
//! | [`names`] | every metric: name, kind, labels, help |
//! | `family` | samples of one metric |
//! | `collect` | which value of which view becomes which sample |

mod collect;
mod family;
pub mod names;

use std::sync::Arc;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Registry, TextEncoder};

use crate::backend::Backend;

/// The registry of one surface.
pub struct Metrics {
    registry: Registry,
    /// Why the collector was not registered: only a wrong table of names can be the reason.
    refused: Option<prometheus::Error>,
}

impl Metrics {
    /// A registry whose only collector reads the backend.
    pub fn new<B: Backend>(backend: Arc<B>) -> Self {
        let registry = Registry::new();
        let refused =
            NodeCollector::new(backend).and_then(|collector| registry.register(Box::new(collector))).err();
        Self { registry, refused }
    }

    /// All metrics in the text format of Prometheus, version 0.0.4.
    ///
    /// # Errors
    /// The table of metrics contradicts itself.
    pub fn exposition(&self) -> Result<String, prometheus::Error> {
        if let Some(error) = &self.refused {
            return Err(prometheus::Error::Msg(error.to_string()));
        }
        let mut text = String::new();
        TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

struct NodeCollector<B> {
    backend: Arc<B>,
    descriptions: Vec<Desc>,
}

impl<B: Backend> NodeCollector<B> {
    fn new(backend: Arc<B>) -> Result<Self, prometheus::Error> {
        let describe = |definition: &names::Definition| {
            let labels = definition.labels.iter().map(|label| (*label).to_owned()).collect();
            Desc::new(definition.name.to_owned(), definition.help.to_owned(), labels, Default::default())
        };
        let descriptions = names::ALL.iter().copied().map(describe).collect::<Result<_, _>>()?;
        Ok(Self { backend, descriptions })
    }
}

impl<B: Backend> Collector for NodeCollector<B> {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        collect::all(&*self.backend)
    }
}

//! Samples, gathered into the families that the exposition is written from.

use std::collections::BTreeMap;

use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};

use super::names::{Definition, Kind};
use crate::model;

/// The families of one scrape. A metric without a sample has no family.
#[derive(Default)]
pub(super) struct Families(BTreeMap<&'static str, MetricFamily>);

impl Families {
    /// Adds a sample; `labels` are the values of the definition's labels, in their order.
    pub(super) fn add(&mut self, definition: &'static Definition, labels: &[&str], value: f64) {
        let mut metric = labelled(definition, labels);
        match definition.kind {
            Kind::Counter => {
                let mut counter = Counter::default();
                counter.set_value(value);
                metric.set_counter(counter);
            }
            Kind::Gauge | Kind::Histogram => {
                let mut gauge = Gauge::default();
                gauge.set_value(value);
                metric.set_gauge(gauge);
            }
        }
        self.push(definition, metric);
    }

    /// Adds a sample that is a whole number. Beyond 2^53 the exposition's doubles round it.
    pub(super) fn count(&mut self, definition: &'static Definition, labels: &[&str], value: u64) {
        self.add(definition, labels, value as f64);
    }

    /// Adds a distribution.
    pub(super) fn histogram(&mut self, definition: &'static Definition, source: &model::Histogram) {
        let mut histogram = Histogram::default();
        histogram.set_sample_count(source.count());
        histogram.set_sample_sum(source.sum());
        let buckets = source.cumulative().map(|(bound, count)| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(bound);
            bucket.set_cumulative_count(count);
            bucket
        });
        histogram.set_bucket(buckets.collect());
        let mut metric = labelled(definition, &[]);
        metric.set_histogram(histogram);
        self.push(definition, metric);
    }

    /// All families, in the order of their names.
    pub(super) fn into_vec(self) -> Vec<MetricFamily> {
        self.0.into_values().collect()
    }

    fn push(&mut self, definition: &'static Definition, metric: Metric) {
        let family = self.0.entry(definition.name).or_insert_with(|| {
            let mut family = MetricFamily::default();
            family.set_name(definition.name.to_owned());
            family.set_help(definition.help.to_owned());
            family.set_field_type(match definition.kind {
                Kind::Counter => MetricType::COUNTER,
                Kind::Gauge => MetricType::GAUGE,
                Kind::Histogram => MetricType::HISTOGRAM,
            });
            family
        });
        family.mut_metric().push(metric);
    }
}

fn labelled(definition: &Definition, values: &[&str]) -> Metric {
    debug_assert_eq!(definition.labels.len(), values.len(), "{}", definition.name);
    let pair = |(name, value): (&&str, &&str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    Metric::from_label(definition.labels.iter().zip(values).map(pair).collect())
}

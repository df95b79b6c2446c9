//! Counts what calls to services take: how many there are, and the table's capacity units.
//!
//! For benchmarks; no deployed function has one. The units are not reckoned here: each call asks
//! the service what it took, and its answer is added up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_dynamodb::operation::batch_get_item::{BatchGetItemInput, BatchGetItemOutput};
use aws_sdk_dynamodb::operation::batch_write_item::{BatchWriteItemInput, BatchWriteItemOutput};
use aws_sdk_dynamodb::operation::delete_item::{DeleteItemInput, DeleteItemOutput};
use aws_sdk_dynamodb::operation::get_item::{GetItemInput, GetItemOutput};
use aws_sdk_dynamodb::operation::put_item::{PutItemInput, PutItemOutput};
use aws_sdk_dynamodb::operation::query::{QueryInput, QueryOutput};
use aws_sdk_dynamodb::operation::transact_write_items::{
    TransactWriteItemsInput, TransactWriteItemsOutput,
};
use aws_sdk_dynamodb::operation::update_item::{UpdateItemInput, UpdateItemOutput};
use aws_sdk_dynamodb::types::{ConsumedCapacity, ReturnConsumedCapacity};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    AfterDeserializationInterceptorContextRef, BeforeSerializationInterceptorContextMut,
    BeforeTransmitInterceptorContextRef, Input, Output,
};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// Counts requests, attempts included, and the capacity units that the tables say they took.
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    calls: AtomicU64,
    /// Units come in halves and are kept in thousandths.
    read: AtomicU64,
    written: AtomicU64,
    refused: AtomicU64,
}

/// What a call does to a table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

impl Meter {
    /// Requests so far.
    pub fn calls(&self) -> u64 {
        self.0.calls.load(Ordering::Relaxed)
    }

    /// Read capacity units so far, indexes included.
    pub fn read_units(&self) -> f64 {
        units(&self.0.read)
    }

    /// Write capacity units so far, indexes included.
    pub fn write_units(&self) -> f64 {
        units(&self.0.written)
    }

    /// Writes that the service refused, mostly for their condition. It charges for them (one unit
    /// at least for each) and does not say what: they are not among the units.
    pub fn refused_writes(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }

    fn add(&self, access: Access, taken: &ConsumedCapacity) {
        let sum = match access {
            Access::Read => &self.0.read,
            Access::Write => &self.0.written,
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a call takes a few units, never less than none"
        )]
        let thousandths = (taken.capacity_units().unwrap_or_default() * 1e3).round() as u64;
        sum.fetch_add(thousandths, Ordering::Relaxed);
    }
}

fn units(thousandths: &AtomicU64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "numbers for a table")]
    let thousandths = thousandths.load(Ordering::Relaxed) as f64;
    thousandths / 1e3
}

/// The calls that are asked what they took; those that this crate makes.
macro_rules! asked {
    ($($input:ty => $output:ty: $access:ident,)*) => {
        fn ask(input: &mut Input) {
            $(if let Some(input) = input.downcast_mut::<$input>() {
                input.return_consumed_capacity = Some(ReturnConsumedCapacity::Total);
            })*
        }

        fn answered(meter: &Meter, output: &Output) {
            $(if let Some(output) = output.downcast_ref::<$output>() {
                if let Some(taken) = &output.consumed_capacity {
                    taken.each(|taken| meter.add(Access::$access, taken));
                }
            })*
        }
    };
}

/// Of one table, or of several.
trait Each {
    fn each(&self, what: impl FnMut(&ConsumedCapacity));
}

impl Each for ConsumedCapacity {
    fn each(&self, mut what: impl FnMut(&ConsumedCapacity)) {
        what(self);
    }
}

impl Each for Vec<ConsumedCapacity> {
    fn each(&self, what: impl FnMut(&ConsumedCapacity)) {
        self.iter().for_each(what);
    }
}

asked! {
    GetItemInput => GetItemOutput: Read,
    BatchGetItemInput => BatchGetItemOutput: Read,
    QueryInput => QueryOutput: Read,
    PutItemInput => PutItemOutput: Write,
    UpdateItemInput => UpdateItemOutput: Write,
    DeleteItemInput => DeleteItemOutput: Write,
    BatchWriteItemInput => BatchWriteItemOutput: Write,
    TransactWriteItemsInput => TransactWriteItemsOutput: Write,
}

/// The names of the calls above that write.
const WRITES: [&str; 5] = [
    "PutItem",
    "UpdateItem",
    "DeleteItem",
    "BatchWriteItem",
    "TransactWriteItems",
];

impl Intercept for Meter {
    fn name(&self) -> &'static str {
        "Meter"
    }

    fn modify_before_serialization(
        &self,
        context: &mut BeforeSerializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        ask(context.input_mut());
        Ok(())
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.calls.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        match context.output_or_error() {
            Ok(output) => answered(self, output),
            Err(error) => {
                let called = config.load::<Metadata>().map(|call| call.name().to_owned());
                let is_write = called.is_some_and(|name| WRITES.contains(&name.as_str()));
                if is_write && error.is_operation_error() {
                    self.0.refused.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        Ok(())
    }
}

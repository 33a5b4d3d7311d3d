//! The auctions of `vectors/auction.json`, whose results were found by trying every price.

use crate::{
    matching,
    order::{Ticks, WattHours},
};
use alloy_primitives::B256;
use serde::Deserialize;

#[derive(Deserialize)]
struct File {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
pub struct Case {
    pub name: String,
    pub orders: Vec<Order>,
    clearing: Clearing,
    pub fills: Vec<u64>,
}

#[derive(Deserialize)]
pub struct Order {
    pub side: String,
    pub price: i32,
    pub quantity: u64,
    pub word: B256,
}

#[derive(Deserialize)]
struct Clearing {
    price: i32,
    volume: u64,
    bid: Level,
    ask: Level,
}

#[derive(Deserialize)]
struct Level {
    price: i32,
    quantity: u64,
    filled: u64,
}

impl Case {
    pub fn words(&self) -> Vec<B256> {
        self.orders.iter().map(|order| order.word).collect()
    }

    pub fn clearing(&self) -> matching::Clearing {
        let level = |level: &Level| matching::Level {
            price: Ticks(level.price),
            quantity: WattHours(level.quantity),
            filled: WattHours(level.filled),
        };
        matching::Clearing {
            price: Ticks(self.clearing.price),
            volume: WattHours(self.clearing.volume),
            bid: level(&self.clearing.bid),
            ask: level(&self.clearing.ask),
        }
    }
}

pub fn cases() -> Vec<Case> {
    let file: File = serde_json::from_str(include_str!("../../vectors/auction.json")).unwrap();
    assert_eq!(file.cases.len(), 142, "the file of vectors is cut short");
    file.cases
}

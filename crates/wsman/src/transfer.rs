//! Get, Put, Create and Delete of instances (DSP0226 chapter 7, DSP0227 chapter 7).

use cim::ObjectPath;
use xml::Writer;

use crate::fault::WsmanFault;
use crate::names::action;
use crate::reply::Reply;
use crate::serve::{Exchange, Service};

impl Service {
    pub(crate) async fn delete(&self, exchange: &Exchange, path: &ObjectPath) -> Result<Reply, WsmanFault> {
        self.provider.delete(&exchange.caller, path).await?;
        Ok(Reply::to_action(action::DELETE, Writer::new()))
    }
}

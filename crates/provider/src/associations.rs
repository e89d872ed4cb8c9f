//! What an object is associated with: each way that leads from its class over an association is one query, and the answers
//! follow each other, so that an answer of any length needs little memory and one connection.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use cim::query::{
    Direction, Expr, Join, JoinKind, Operator, PropertyRef, Query, Scalar, Select, Selected, Source,
};
use cim::wql::{Associators, Form, References, Statement};
use cim::{Instance, Value};
use site::{Actor, Site};

use crate::association::{End, ends};
use crate::context::Context;
use crate::error::Fault;
use crate::handler::Call;
use crate::handles::Handles;
use crate::query::{self, InstanceStream};
use crate::schema::{ClassInfo, Schema};
use crate::{check, classes};

/// Which objects [`crate::Provider::associated`] returns; what is none lets everything pass. Classes stand for those below
/// them too, and roles are the names of references.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AssociationFilter {
    /// By associations of this class.
    pub assoc_class: Option<String>,
    /// Objects of this class.
    pub result_class: Option<String>,
    /// By associations that have the given object in this reference.
    pub role: Option<String>,
    /// Objects that associations have in this reference.
    pub result_role: Option<String>,
}

/// Which associations [`crate::Provider::references`] returns.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReferenceFilter {
    /// Associations of this class.
    pub result_class: Option<String>,
    /// Those that have the given object in this reference.
    pub role: Option<String>,
}

/// The answer to a statement.
#[derive(Debug)]
pub enum Found {
    /// Instances, or rows.
    Instances(InstanceStream),
    /// Classes of the schema, each once: what `ClassDefsOnly` asks for.
    Classes(Vec<&'static ClassInfo>),
}

/// What the association, and the object at its other end, are called in a query.
const LINK: &str = "link";
const FAR: &str = "far";

/// One way from an object to others.
struct Way {
    association: &'static ClassInfo,
    near: &'static End,
    /// The other end, and what is wanted there; none for the association itself.
    far: Option<(&'static End, &'static ClassInfo)>,
}

/// Answers a statement of a user.
pub(crate) async fn answer(
    site: &Site,
    actor: &Actor,
    context: &Context,
    handles: &Arc<Handles>,
    statement: Statement,
) -> Result<Found, Fault> {
    let on = |class: &'static ClassInfo| Call { site, actor, context, handles, class };
    let (path, form) = match &statement {
        Statement::Select(query) => {
            let unknown = || Fault::InvalidClass { class: query.class().to_owned() };
            let class = Schema::shipped().class(query.class()).ok_or_else(unknown)?;
            return query::answer(on(class), query.clone()).await.map(Found::Instances);
        }
        Statement::Associators(asked) => (&asked.path, asked.form),
        Statement::References(asked) => (&asked.path, asked.form),
    };
    let call = on(classes::queryable(&path.class)?);
    let checked = check::path(call.class, path)?;
    let unknown = || Fault::InvalidClass { class: call.class.name.clone() };
    // What does not exist for the caller has no associations either, and says so like any other.
    let object = classes::handler(&call.class.name).ok_or_else(unknown)?.get(call, &checked).await?;
    let class = Schema::shipped().class(&object.class).ok_or_else(unknown)?;
    let ways = match &statement {
        Statement::Associators(asked) => associators(class, asked)?,
        Statement::References(asked) => references(class, asked)?,
        Statement::Select(_) => Vec::new(),
    };
    let from = Object { object: &object, path: path.relative() };
    match form {
        Form::ClassDefsOnly => from.classes(call, ways).await.map(Found::Classes),
        form => from.instances(call, &ways, form).await.map(Found::Instances),
    }
}

fn known(name: Option<&String>) -> Result<Option<&'static ClassInfo>, Fault> {
    let class = |name: &String| {
        Schema::shipped().class(name).ok_or_else(|| Fault::InvalidClass { class: name.clone() })
    };
    name.map(class).transpose()
}

fn is_called(name: &str, wanted: Option<&String>) -> bool {
    wanted.is_none_or(|wanted| wanted.eq_ignore_ascii_case(name))
}

fn has(class: &ClassInfo, qualifier: Option<&String>) -> bool {
    qualifier.is_none_or(|qualifier| class.qualifiers.has(qualifier))
}

/// Each association class with the ends that an object of the class can stand in.
fn near(
    class: &ClassInfo,
    of: Option<&'static ClassInfo>,
    role: Option<&String>,
) -> Vec<(&'static ClassInfo, &'static End)> {
    let wanted = Schema::shipped().associations().filter(|one| of.is_none_or(|of| one.is_a(&of.name)));
    let fits = |end: &&'static End| class.is_a(&end.class.name) && is_called(end.name, role);
    wanted
        .flat_map(|association| {
            ends(&association.name).iter().filter(fits).map(move |end| (association, end))
        })
        .collect()
}

fn associators(class: &ClassInfo, asked: &Associators) -> Result<Vec<Way>, Fault> {
    let of = known(asked.assoc_class.as_ref())?;
    let wanted = known(asked.result_class.as_ref())?;
    let mut ways = Vec::new();
    for (association, near) in near(class, of, asked.role.as_ref()) {
        if !has(association, asked.required_assoc_qualifier.as_ref()) {
            continue;
        }
        let others = ends(&association.name).iter().filter(|end| end.name != near.name);
        for far in others.filter(|end| is_called(end.name, asked.result_role.as_ref())) {
            let Some(class) = narrowed(far.class, wanted) else { continue };
            // Classes below one another differ in their qualifiers.
            let each = asked.required_qualifier.is_some() || asked.form == Form::ClassDefsOnly;
            let classes = if each { Schema::shipped().concrete(class).collect() } else { vec![class] };
            let classes = classes.into_iter().filter(|class| has(class, asked.required_qualifier.as_ref()));
            ways.extend(classes.map(|class| Way { association, near, far: Some((far, class)) }));
        }
    }
    Ok(ways)
}

/// What a reference can name of a wanted class: the narrower of the two, if one is below the other.
fn narrowed(named: &'static ClassInfo, wanted: Option<&'static ClassInfo>) -> Option<&'static ClassInfo> {
    match wanted {
        None => Some(named),
        Some(wanted) if named.is_a(&wanted.name) => Some(named),
        Some(wanted) => wanted.is_a(&named.name).then_some(wanted),
    }
}

fn references(class: &ClassInfo, asked: &References) -> Result<Vec<Way>, Fault> {
    let of = known(asked.result_class.as_ref())?;
    let ways = near(class, of, asked.role.as_ref()).into_iter();
    let ways = ways.filter(|(association, _)| has(association, asked.required_qualifier.as_ref()));
    Ok(ways.map(|(association, near)| Way { association, near, far: None }).collect())
}

impl Way {
    /// The class of what it leads to.
    fn class(&self) -> &'static ClassInfo {
        self.far.map_or(self.association, |(_, class)| class)
    }

    fn query(&self, from: &Instance, form: Form) -> Query {
        let link = |name: &str| Scalar::Property(of(LINK, name));
        let equal = |left, right| Expr::Compare { left, op: Operator::Eq, right };
        let known = |(key, property): &(&str, &str)| {
            let value = from.get(key).cloned().unwrap_or(Value::Null);
            equal(link(property), Scalar::Literal(value))
        };
        let filter = Some(Expr::And(self.near.keys.iter().map(known).collect()));
        let source = Source { class: self.association.name.clone(), alias: Some(LINK.to_owned()) };
        let joins = self.far.iter().map(|(end, class)| {
            let same = |(key, property): &(&str, &str)| equal(Scalar::Property(of(FAR, key)), link(property));
            let source = Source { class: class.name.clone(), alias: Some(FAR.to_owned()) };
            let on = Some(Expr::And(end.keys.iter().map(same).collect()));
            Join { kind: JoinKind::Inner, source, on }
        });
        let wanted = if self.far.is_some() { FAR } else { LINK };
        let items = match form {
            Form::Whole => vec![Selected::Source(wanted.to_owned())],
            Form::KeysOnly | Form::ClassDefsOnly => {
                let keys = self.class().keys().into_iter();
                keys.map(|key| Selected::Property(of(wanted, &key.name))).collect()
            }
        };
        // Whoever reads the answer in pages must find each instance on one of them.
        let order = match self.far {
            Some((_, class)) => class.keys().into_iter().map(|key| of(FAR, &key.name)).collect::<Vec<_>>(),
            None => {
                let keys = ends(&self.association.name).iter().flat_map(|end| &end.keys);
                keys.map(|(_, property)| of(LINK, property)).collect()
            }
        };
        let order = order.into_iter().map(|key| (Scalar::Property(key), Direction::Ascending)).collect();
        let joins = joins.collect();
        Query { from: source, joins, filter, order, select: Select::Items(items), ..Query::all("") }
    }
}

fn of(source: &str, name: &str) -> PropertyRef {
    PropertyRef { source: Some(source.to_owned()), name: name.to_owned() }
}

/// The object that is asked about.
struct Object<'a> {
    object: &'a Instance,
    /// As the client wrote it.
    path: String,
}

impl Object<'_> {
    async fn instances(&self, call: Call<'_>, ways: &[Way], form: Form) -> Result<InstanceStream, Fault> {
        let queries: Vec<Query> = ways.iter().map(|way| way.query(self.object, form)).collect();
        let several = Several {
            current: None,
            rest: queries.into_iter(),
            left: call.context.instance_count,
            keys_only: form == Form::KeysOnly,
            asker: Asker::of(call),
        };
        several.begun().await.map(|several| InstanceStream::several(several, self.path.clone()))
    }

    /// The classes that a way leads to any instance of.
    async fn classes(&self, call: Call<'_>, ways: Vec<Way>) -> Result<Vec<&'static ClassInfo>, Fault> {
        let mut found: Vec<&'static ClassInfo> = Vec::new();
        for way in ways {
            if found.iter().any(|class| class.name == way.class().name) {
                continue;
            }
            let query = Query { top: Some(1), ..way.query(self.object, Form::ClassDefsOnly) };
            if query::answer(call, query).await?.read().await.transpose()?.is_some() {
                found.push(way.class());
            }
        }
        Ok(found)
    }
}

/// Who asks, for as long as the answer is read.
struct Asker {
    site: Site,
    actor: Actor,
    context: Context,
    handles: Arc<Handles>,
    class: String,
}

impl Asker {
    fn of(call: Call<'_>) -> Arc<Self> {
        Arc::new(Self {
            site: call.site.clone(),
            actor: call.actor.clone(),
            context: call.context.clone(),
            handles: call.handles.clone(),
            class: call.class.name.clone(),
        })
    }

    async fn ask(&self, query: Query) -> Result<InstanceStream, Fault> {
        let class = Schema::shipped().class(&self.class).expect("a call's class is of the schema");
        let Self { site, actor, context, handles, .. } = self;
        query::answer(Call { site, actor, context, handles, class }, query).await
    }
}

/// The wait for an instance.
type Next<'a> = Pin<Box<dyn Future<Output = Option<Result<Instance, Fault>>> + Send + 'a>>;

/// Answers that follow each other: the next is asked for when the one before has ended.
pub(crate) struct Several {
    current: Option<Box<InstanceStream>>,
    rest: std::vec::IntoIter<Query>,
    /// How many instances may still come, where the call says so.
    left: Option<u64>,
    keys_only: bool,
    asker: Arc<Asker>,
}

impl Several {
    /// With the first answer begun, so that what is wrong with the question is known before anything is sent.
    async fn begun(mut self) -> Result<Self, Fault> {
        if let Some(query) = self.rest.next() {
            self.current = Some(Box::new(self.asker.ask(query).await?));
        }
        Ok(self)
    }

    /// The next instance of any of them. In a box, since a stream of instances may be one of these.
    pub(crate) fn next(&mut self) -> Next<'_> {
        Box::pin(async move {
            if self.left == Some(0) {
                return None;
            }
            loop {
                match self.current.as_mut()?.read().await {
                    Some(Ok(instance)) => {
                        self.left = self.left.map(|left| left - 1);
                        return Some(Ok(self.shown(instance)));
                    }
                    Some(Err(fault)) => {
                        self.current = None;
                        return Some(Err(fault));
                    }
                    None => {
                        // The connection of the one is given back before the next needs one.
                        self.current = None;
                        let query = self.rest.next()?;
                        match self.asker.ask(query).await {
                            Ok(next) => self.current = Some(Box::new(next)),
                            Err(fault) => return Some(Err(fault)),
                        }
                    }
                }
            }
        })
    }

    fn shown(&self, mut instance: Instance) -> Instance {
        if self.keys_only {
            let class = Schema::shipped().class(&instance.class);
            let is_key = |name: &str| {
                class.and_then(|class| class.property(name)).is_some_and(|key| key.qualifiers.has("key"))
            };
            instance.properties.retain(|(name, _)| is_key(name));
        }
        instance
    }
}

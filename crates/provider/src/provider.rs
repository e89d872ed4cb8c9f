use std::borrow::Cow;
use std::sync::Arc;

use cim::class::{Class, Property};
use cim::query::Query;
use cim::wql::{Associators, References, Statement};
use cim::{Instance, ObjectPath, Value};
use site::Site;

use crate::associations::{self, AssociationFilter, Found, ReferenceFilter};
use crate::changes::Changes;
use crate::classes;
use crate::context::Caller;
use crate::error::{Fault, Operation, ProviderError};
use crate::handler::{Answer, Call, ClassHandler, Invocation, Outcome, not_implemented};
use crate::handles::Handles;
use crate::query::{self, InstanceStream};
use crate::schema::{ClassInfo, Schema, is_left_out_of_lists};
use crate::{check, parameters, rows};

/// The provider of one site. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Provider {
    site: Site,
    schema: &'static Schema,
    handles: Arc<Handles>,
    changes: Changes,
}

/// The namespace of SMS_ProviderLocation; every other class lives in the site's own.
const ROOT_NAMESPACE: &str = "root\\sms";

/// The property by which a change says which edition of the object it was made from: one of an older edition is refused.
pub const EDITION: &str = "SedoObjectVersion";

impl Provider {
    /// The provider of a site.
    #[must_use]
    pub fn new(site: Site) -> Self {
        Self { site, schema: Schema::shipped(), handles: Arc::default(), changes: Changes::default() }
    }

    /// The changes that are under way: each is made to its end, whether or not its caller waits for it, and whoever ends
    /// the site waits for them.
    #[must_use]
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    pub(crate) fn site(&self) -> &Site {
        &self.site
    }

    /// All classes.
    #[must_use]
    pub fn schema(&self) -> &'static Schema {
        self.schema
    }

    /// The server's name, as `__SERVER` shows it.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.site.identity().server_name
    }

    /// The namespace of a class, as `__NAMESPACE` shows it.
    #[must_use]
    pub fn namespace(&self, class: &ClassInfo) -> String {
        let [own, root] = self.namespaces();
        if class.name == "SMS_ProviderLocation" { root } else { own }
    }

    /// The namespaces that classes live in, as `__NAMESPACE` shows them; the site's own is the first.
    #[must_use]
    pub fn namespaces(&self) -> [String; 2] {
        [format!("{ROOT_NAMESPACE}\\site_{}", self.site.identity().site_code), ROOT_NAMESPACE.to_owned()]
    }

    /// The path of an instance, with server and namespace; its keys must be there.
    #[must_use]
    pub fn path(&self, class: &ClassInfo, instance: &Instance) -> ObjectPath {
        let mut path = own_path(class, instance);
        path.server = Some(self.server().to_owned());
        path.namespace = Some(self.namespace(class));
        path
    }

    /// Answers a query, held whole in memory; see [`Self::query_stream`].
    pub async fn query(&self, caller: &Caller, query: Query) -> Result<Answer, ProviderError> {
        let object = query.class().to_owned();
        let answer = async { self.run_query(caller, query).await?.collect().await };
        answer.await.map_err(|fault| failed(Operation::ExecQuery, object, fault))
    }

    /// Answers a query, one instance after the other. Lazy properties are null.
    ///
    /// What one class is asked for are its instances, those of an abstract class being of its subclasses. Rows of
    /// several classes are instances of `__GENERIC` with one embedded instance for each, named by its alias, else by
    /// its class. `COUNT` is one `__GENERIC` with `Count`. A `DISTINCT` list has just the properties that it names.
    pub async fn query_stream(&self, caller: &Caller, query: Query) -> Result<InstanceStream, ProviderError> {
        let object = query.class().to_owned();
        self.run_query(caller, query).await.map_err(|fault| failed(Operation::ExecQuery, object, fault))
    }

    async fn run_query(&self, caller: &Caller, query: Query) -> Result<InstanceStream, Fault> {
        let caller = self.resolve(caller)?;
        let caller = caller.as_ref();
        let named = self.schema.class(query.class());
        let class = named.ok_or_else(|| Fault::InvalidClass { class: query.class().to_owned() })?;
        query::answer(self.call(caller, class), query).await
    }

    /// Answers anything that WQL can ask.
    pub async fn statement(&self, caller: &Caller, statement: Statement) -> Result<Found, ProviderError> {
        let object = match &statement {
            Statement::Select(query) => query.class().to_owned(),
            Statement::Associators(asked) => asked.path.relative(),
            Statement::References(asked) => asked.path.relative(),
        };
        let answer = async {
            let caller = self.resolve(caller)?;
            let caller = caller.as_ref();
            let Caller { actor, context } = caller;
            associations::answer(&self.site, actor, context, &self.handles, statement).await
        };
        answer.await.map_err(|fault| failed(Operation::ExecQuery, object, fault))
    }

    /// The objects that an object is associated with, one after the other and without lazy properties. One that it is
    /// associated with in several ways comes once for each.
    ///
    /// Errors: [`Fault::InvalidClass`] for a class that there is not, in the path or the filter; [`Fault::InvalidPath`];
    /// [`Fault::NotFound`] where the object does not exist for the caller. A role that no association has finds nothing.
    pub async fn associated(
        &self,
        caller: &Caller,
        path: &ObjectPath,
        filter: AssociationFilter,
    ) -> Result<InstanceStream, ProviderError> {
        let AssociationFilter { assoc_class, result_class, role, result_role } = filter;
        let asked =
            Associators { assoc_class, result_class, role, result_role, ..Associators::of(path.clone()) };
        self.instances(caller, Statement::Associators(asked)).await
    }

    /// The associations of an object, with their references and what is beside them.
    ///
    /// Errors: those of [`Self::associated`].
    pub async fn references(
        &self,
        caller: &Caller,
        path: &ObjectPath,
        filter: ReferenceFilter,
    ) -> Result<InstanceStream, ProviderError> {
        let ReferenceFilter { result_class, role } = filter;
        let asked = References { result_class, role, ..References::of(path.clone()) };
        self.instances(caller, Statement::References(asked)).await
    }

    async fn instances(&self, caller: &Caller, asked: Statement) -> Result<InstanceStream, ProviderError> {
        match self.statement(caller, asked).await? {
            Found::Instances(instances) => Ok(instances),
            Found::Classes(_) => unreachable!("instances were asked for"),
        }
    }

    /// A path with this server and its namespace where it names none, as references do.
    #[must_use]
    pub fn qualified(&self, path: ObjectPath) -> ObjectPath {
        let namespace = || self.schema.class(&path.class).map(|class| self.namespace(class));
        ObjectPath {
            namespace: path.namespace.clone().or_else(namespace),
            server: path.server.or_else(|| Some(self.server().to_owned())),
            ..path
        }
    }

    /// Describes what a query would answer with, as WMI's prototype queries ask: the class for a query on one, for rows
    /// of several a `__GENERIC` with a property for each.
    #[expect(clippy::result_large_err, reason = "the same error as every other operation, which are futures")]
    pub fn prototype(&self, query: Query) -> Result<Class, ProviderError> {
        let object = query.class().to_owned();
        query::prototype(self.schema, query).map_err(|fault| failed(Operation::ExecQuery, object, fault))
    }

    /// Reads one instance, lazy properties included.
    pub async fn get(&self, caller: &Caller, path: &ObjectPath) -> Result<Instance, ProviderError> {
        self.run_get(caller, path).await.map_err(|fault| failed(Operation::GetObject, path.relative(), fault))
    }

    async fn run_get(&self, caller: &Caller, path: &ObjectPath) -> Result<Instance, Fault> {
        let caller = self.resolve(caller)?;
        let caller = caller.as_ref();
        let class = classes::queryable(&path.class)?;
        let path = check::path(class, path)?;
        handler(class)?.get(self.call(caller, class), &path).await
    }

    /// Makes an instance and returns its path.
    pub async fn create(&self, caller: &Caller, instance: Instance) -> Result<ObjectPath, ProviderError> {
        let object = instance.class.clone();
        let (own, by) = (self.clone(), caller.clone());
        let made = self.changes.make(&caller.actor, async move { own.run_create(&by, instance).await });
        made.await.map_err(|fault| failed(Operation::PutInstance, object, fault))
    }

    async fn run_create(&self, caller: &Caller, mut instance: Instance) -> Result<ObjectPath, Fault> {
        let caller = self.resolve(caller)?;
        let caller = caller.as_ref();
        let class = self.writable(&instance.class, Write::Create)?;
        let handler = handler(class)?;
        let is_the_sites = |property: &Property| is_the_sites(property, handler.derived());
        let left_aside = |property: &Property| match handler.derives_read_only() {
            true => is_the_sites(property),
            false => handler.passes_over_derived() && handler.derived().contains(&property.name.as_str()),
        };
        instance.properties.retain(|(name, _)| !class.property(name).is_some_and(left_aside));
        let mut new = check::instance(self.schema, class, instance)?;
        for property in &class.properties {
            let Some(value) = new.get(&property.name) else { continue };
            // What a client copied from another instance may be there as long as it says nothing.
            let says_nothing = value.is_null() || *value == property.default;
            if is_the_sites(property) && !says_nothing {
                return Err(Fault::ReadOnly { property: property.name.clone() });
            }
            if says_nothing {
                new.properties.retain(|(name, _)| *name != property.name);
            }
        }
        handler.create(self.call(caller, class), new).await
    }

    /// Makes an instance, or changes the one that is there where the class's clients expect that of a put: scripts
    /// write a whole SMS_DriverPackage either way. Returns its path.
    pub async fn put(&self, caller: &Caller, instance: Instance) -> Result<ObjectPath, ProviderError> {
        let object = instance.class.clone();
        let (own, by) = (self.clone(), caller.clone());
        let put = self.changes.make(&caller.actor, async move { own.run_put(&by, instance).await });
        put.await.map_err(|fault| failed(Operation::PutInstance, object, fault))
    }

    async fn run_put(&self, caller: &Caller, instance: Instance) -> Result<ObjectPath, Fault> {
        let caller = self.resolve(caller)?;
        let caller = caller.as_ref();
        // What cannot be made can be put where it is there.
        let class = self
            .writable(&instance.class, Write::Create)
            .or_else(|fault| self.writable(&instance.class, Write::Update).map_err(|_| fault))?;
        // A key that the site gives has a default, which a new instance shows until it is stored.
        let given = |key: &&Property| {
            let value = instance.get(&key.name).and_then(|value| key.kind.fit(value.clone()).ok());
            value.is_some_and(|value| !value.is_null() && value != key.default)
        };
        let handler = handler(class)?;
        if !handler.put_changes() || !class.keys().iter().all(given) {
            return self.run_create(caller, instance).await;
        }
        let path = own_path(class, &instance);
        match self.run_modify(caller, &path, instance.clone(), false).await {
            Ok(()) => Ok(path),
            Err(Fault::NotFound { .. }) if !handler.derives_read_only() => {
                self.run_create(caller, instance).await
            }
            Err(fault) => Err(fault),
        }
    }

    /// Sets the given properties of an instance; the others stay. A `SedoObjectVersion` that is not the stored one
    /// refuses the change. With the stored one, what is read-only may be given with any value and stays, and so in
    /// a class without editions where the keys are given; elsewhere only with the value that it has.
    pub async fn modify(
        &self,
        caller: &Caller,
        path: &ObjectPath,
        change: Instance,
    ) -> Result<(), ProviderError> {
        self.make_change(caller, path, change, false).await
    }

    /// As [`Self::modify`], for a caller that lists what it has changed: everything but the [`EDITION`] that it read is
    /// meant, so a property that is only read is refused.
    pub async fn modify_listed(
        &self,
        caller: &Caller,
        path: &ObjectPath,
        change: Instance,
    ) -> Result<(), ProviderError> {
        self.make_change(caller, path, change, true).await
    }

    async fn make_change(
        &self,
        caller: &Caller,
        path: &ObjectPath,
        change: Instance,
        is_listed: bool,
    ) -> Result<(), ProviderError> {
        let (own, by, at) = (self.clone(), caller.clone(), path.clone());
        let work = async move { own.run_modify(&by, &at, change, is_listed).await };
        let changed = self.changes.make(&caller.actor, work);
        changed.await.map_err(|fault| failed(Operation::PutInstance, path.relative(), fault))
    }

    async fn run_modify(
        &self,
        caller: &Caller,
        path: &ObjectPath,
        change: Instance,
        is_listed: bool,
    ) -> Result<(), Fault> {
        let caller = self.resolve(caller)?;
        let caller = caller.as_ref();
        let class = self.writable(&path.class, Write::Update)?;
        let path = check::path(class, path)?;
        let change = check::instance(self.schema, class, change)?;
        let (call, handler) = (self.call(caller, class), handler(class)?);
        let current = handler.get(call, &path).await?;
        let path = own_path(class, &current);
        let changed = changes(class, handler.derived(), &path, &current, change, is_listed)?;
        handler.modify(call, &path, changed).await
    }

    /// Deletes an instance.
    pub async fn delete(&self, caller: &Caller, path: &ObjectPath) -> Result<(), ProviderError> {
        let (own, by, at) = (self.clone(), caller.clone(), path.clone());
        let deleted = self.changes.make(&caller.actor, async move { own.run_delete(&by, &at).await });
        deleted.await.map_err(|fault| failed(Operation::DeleteInstance, path.relative(), fault))
    }

    async fn run_delete(&self, caller: &Caller, path: &ObjectPath) -> Result<(), Fault> {
        let caller = self.resolve(caller)?;
        let caller = caller.as_ref();
        let class = self.writable(&path.class, Write::Delete)?;
        let path = check::path(class, path)?;
        let (call, handler) = (self.call(caller, class), handler(class)?);
        let path = own_path(class, &handler.get(call, &path).await?);
        handler.delete(call, &path).await
    }

    /// Calls a method: of an instance by its path, or static without one.
    pub async fn invoke(
        &self,
        caller: &Caller,
        class: &str,
        path: Option<&ObjectPath>,
        method: &str,
        given: Vec<(String, Value)>,
    ) -> Result<Outcome, ProviderError> {
        let object =
            path.map_or_else(|| format!("{class}.{method}"), |path| format!("{}.{method}", path.relative()));
        let outcome = if self.only_asks(class, method) {
            self.run_invoke(caller, class, path, method, given).await
        } else {
            let (own, by, path) = (self.clone(), caller.clone(), path.cloned());
            let (class, method) = (class.to_owned(), method.to_owned());
            let call = async move { own.run_invoke(&by, &class, path.as_ref(), &method, given).await };
            self.changes.make(&caller.actor, call).await
        };
        outcome.map_err(|fault| failed(Operation::ExecMethod, object, fault))
    }

    /// Whether a method says of itself that it changes nothing; its call ends with its caller.
    #[must_use]
    pub fn only_asks(&self, class: &str, method: &str) -> bool {
        let called = self.schema.class(class).and_then(|class| class.method(method));
        called.is_some_and(|method| method.qualifiers.has("reads"))
    }

    async fn run_invoke(
        &self,
        caller: &Caller,
        class: &str,
        path: Option<&ObjectPath>,
        method: &str,
        given: Vec<(String, Value)>,
    ) -> Result<Outcome, Fault> {
        let caller = self.resolve(caller)?;
        let caller = caller.as_ref();
        let class = self.callable(class)?;
        let missing = || Fault::InvalidMethod { class: class.name.clone(), method: method.to_owned() };
        let method = class.method(method).ok_or_else(missing)?;
        let path = path.map(|path| check::path(class, path)).transpose()?;
        if path.is_none() && !method.qualifiers.has("static") {
            let reason = format!("{} is a method of an instance; name one", method.name);
            return Err(Fault::InvalidPath { reason });
        }
        let bound = parameters::bind(self.schema, method, given)?;
        let (call, handler) = (self.call(caller, class), handler(class)?);
        if method.qualifiers.has("NotImplemented") {
            return Err(not_implemented(call, &method.name));
        }
        let path = match path {
            Some(path) => Some(own_path(class, &handler.get(call, &path).await?)),
            None => None,
        };
        handler
            .invoke(call, Invocation { method: &method.name, path: path.as_ref(), parameters: &bound })
            .await
    }

    fn call<'a>(&'a self, caller: &'a Caller, class: &'a ClassInfo) -> Call<'a> {
        Call {
            site: &self.site,
            actor: &caller.actor,
            context: &caller.context,
            handles: &self.handles,
            class,
        }
    }

    /// The caller with what its context handle stands for.
    fn resolve<'a>(&self, caller: &'a Caller) -> Result<Cow<'a, Caller>, Fault> {
        let kept = self.handles.resolve(caller, self.site.clock().monotonic())?;
        Ok(kept.map_or(Cow::Borrowed(caller), Cow::Owned))
    }

    /// The class whose methods a name calls.
    fn callable(&self, name: &str) -> Result<&'static ClassInfo, Fault> {
        match self.schema.class(name).filter(|class| class.is_static()) {
            Some(class) => Ok(class),
            None => classes::queryable(name),
        }
    }

    /// The class of that name, if its qualifiers let clients write so.
    fn writable(&self, name: &str, write: Write) -> Result<&'static ClassInfo, Fault> {
        let invalid = || Fault::InvalidClass { class: name.to_owned() };
        let class = self.schema.class(name).filter(|class| class.is_queryable()).ok_or_else(invalid)?;
        if class.is_abstract() || !class.qualifiers.has(write.qualifier()) {
            return Err(Fault::NotSupported { what: format!("{} {}", write.phrase(), class.name) });
        }
        Ok(class)
    }
}

/// What a client may want to do with an instance.
#[derive(Debug, Clone, Copy)]
enum Write {
    Create,
    Update,
    Delete,
}

impl Write {
    /// The qualifier of a class that allows it.
    fn qualifier(self) -> &'static str {
        match self {
            Self::Create => "SupportsCreate",
            Self::Update => "SupportsUpdate",
            Self::Delete => "SupportsDelete",
        }
    }

    fn phrase(self) -> &'static str {
        match self {
            Self::Create => "creating instances of",
            Self::Update => "changing instances of",
            Self::Delete => "deleting instances of",
        }
    }
}

/// The path by the keys as the instance has them: clients may write keys in another case.
fn own_path(class: &ClassInfo, instance: &Instance) -> ObjectPath {
    let key = |key: &Property| (key.name.clone(), instance.get(&key.name).cloned().unwrap_or(Value::Null));
    ObjectPath::new(&class.name, class.keys().into_iter().map(key))
}

fn failed(operation: Operation, object: String, fault: Fault) -> ProviderError {
    ProviderError { operation, object, fault }
}

fn handler(class: &ClassInfo) -> Result<Arc<dyn ClassHandler>, Fault> {
    classes::handler(&class.name).ok_or_else(|| Fault::InvalidClass { class: class.name.clone() })
}

/// Whether the site alone gives the property its value.
fn is_the_sites(property: &Property, derived: &[&str]) -> bool {
    check::read_only(&property.qualifiers) || derived.contains(&property.name.as_str())
}

/// Whether an instance of a class without editions was read and comes back: then it names its keys.
fn is_whole(class: &ClassInfo, current: &Instance, change: &Instance) -> bool {
    let is_same = |key: &Property| match (current.get(&key.name), change.get(&key.name)) {
        (Some(known), Some(given)) => rows::same(known, given),
        _ => false,
    };
    class.property(EDITION).is_none() && class.keys().into_iter().all(is_same)
}

/// The properties that a change really changes.
fn changes(
    class: &ClassInfo,
    derived: &[&str],
    path: &ObjectPath,
    current: &Instance,
    change: Instance,
    is_listed: bool,
) -> Result<Instance, Fault> {
    // Before all else: in a stale object other values are old as well, and the caller is to hear why.
    let read = change.get(EDITION).filter(|read| !read.is_null()).cloned();
    if read.as_ref().is_some_and(|read| current.get(EDITION) != Some(read)) {
        return Err(Fault::Stale { what: path.relative() });
    }
    let is_whole = !is_listed && (read.is_some() || is_whole(class, current, &change));
    let mut changed = Instance::new(&class.name);
    for (name, value) in change.properties {
        let property = class.property(&name).expect("the change was checked against the class");
        if name == EDITION && read.is_some() {
            // Kept, so that the site compares it once more in the transaction of the change.
            changed.set(&name, value);
        } else if current.get(&name).is_some_and(|known| rows::same(known, &value)) {
            // A client that sends the whole instance back changes only what differs.
        } else if value.is_null() && is_left_out_of_lists(property) {
            // The instance may come from a list, which does not show it.
        } else if property.qualifiers.has("key") {
            return Err(Fault::ReadOnly { property: name });
        } else if is_the_sites(property, derived) {
            // The site moves some of them on without a new edition: nobody wrote what a whole instance has of them.
            if !is_whole {
                return Err(Fault::ReadOnly { property: name });
            }
        } else {
            changed.set(&name, value);
        }
    }
    Ok(changed)
}

/// The core's library: what does not depend on a user's types.
#include <etl/impl/core.ipp>

/* The scripts of sess_sim_test.c. The clock begins at 1767225600. */
static const struct row rows[] = {
    { "the backend unsubscribes a client whose subscribe is under way", ANYBODY,
      "api info {}\n"
      "api < *\n" /* its connection stands: what follows is a race */
      HELLO("c1")
      "c1 > {\"id\":2,\"subscribe\":{\"channel\":\"rec:a\"}}\n"
      "api unsubscribe {\"user\":\"\",\"channel\":\"rec:a\"}\n"
      "api < {\"result\":{}}\n"
      "c1 ~ {\"id\":2,\"subscribe\":*}\n"
      "c1 > {\"id\":3,\"publish\":{\"channel\":\"pl:x\",\"data\":1}}\n"
      "c1 ~ {\"id\":3,*}\n" },
    { "the backend unsubscribes from everything", ANYBODY,
      HELLO("c1") ON("c1", "rec:a") ON("c1", "quiet:b") ON("c1", "pl:c")
      "api unsubscribe {\"user\":\"\",\"channel\":\"\"}\n"
      "api < {\"result\":{}}\n"
      "c1 ~ {\"push\":{\"channel\":\"*\",\"unsubscribe\":{\"code\":2000,*\n"
      "c1 ~ {\"push\":{\"channel\":\"*\",\"unsubscribe\":{\"code\":2000,*\n"
      "c1 ~ {\"push\":{\"channel\":\"*\",\"unsubscribe\":{\"code\":2000,*\n"
      "api presence_stats {\"channel\":\"rec:a\"}\n"
      "api < *\"num_clients\":0*\n" },
    { "the backend subscribes a client whose own subscribe is under way", ANYBODY,
      "api info {}\n"
      "api < *\n" /* its connection stands: what follows is a race */
      HELLO("c1")
      "c1 > {\"id\":2,\"subscribe\":{\"channel\":\"rec:a\"}} | {\"id\":3,\"rpc\":{\"method\":\"x\"}}\n"
      "api subscribe {\"user\":\"\",\"channel\":\"rec:a\"}\n"
      "api < {\"result\":{}}\n"
      "c1 ~ {\"id\":3,\"error\":*\n"
      "c1 > {\"id\":4,\"presence_stats\":{\"channel\":\"rec:a\"}}\n"
      "c1 ~ {\"id\":4,\"presence_stats\":{\"num_clients\":1,\"num_users\":1}}\n" },
    { "the backend disconnects a client whose subscribe is under way", ANYBODY,
      "api info {}\n"
      "api < *\n" /* its connection stands: what follows is a race */
      HELLO("c1") HELLO("c2") ON("c2", "rec:a")
      "c1 > {\"id\":2,\"subscribe\":{\"channel\":\"rec:a\"}} | {\"id\":3,\"subscribe\":{\"channel\":\"rec:b\"}}\n"
      "api disconnect {\"user\":\"\",\"client\":\"@c1\"}\n"
      "api < {\"result\":{}}\n"
      "c1 ~ closed 3503 force disconnect\n"
      "c2 balance 1\n" },
    { "a client leaves while its operations are under way", ANYBODY,
      HELLO("c1") HELLO("c2") ON("c2", "rec:a")
      "c1 > {\"id\":2,\"subscribe\":{\"channel\":\"rec:a\"}} | {\"id\":3,\"presence\":{\"channel\":\"rec:a\"}} | "
      "{\"id\":4,\"history\":{\"channel\":\"rec:a\"}}\n"
      "c1 shut\n"
      "c2 balance 1\n"
      HELLO("c3") ON("c3", "rec:a")
      "c3 > {\"id\":3,\"presence\":{\"channel\":\"rec:a\"}}\n"
      "c3 shut\n"
      "c2 balance 1\n" },
    { "a connect reply over the queue's bound ends the session once", ANYBODY ",\"queue_max_size\":2048",
      "pub rec:a 30 400\n"
      "pub rec:bb 3 10\n"
      HELLO("c2") ON("c2", "rec:a")
      "c1 open\n"
      "c1 > {\"id\":1,\"connect\":{\"token\":\"@T({\"sub\":\"7\",\"channels\":[\"rec:a\",\"rec:bb\",\"rec:c\"]})T\","
      "\"subs\":{\"rec:a\":{\"recover\":true,\"offset\":0,\"epoch\":\"\"}}}}\n"
      "c1 ~ closed 3008 slow\n"
      "c2 balance 1\n" },
    { "a subscribe reply over the queue's bound tells no leave before the join", ANYBODY ",\"queue_max_size\":2048",
      "pub rec:a 30 400\n"
      HELLO("c2") ON("c2", "rec:a") HELLO("c1")
      "c1 > {\"id\":2,\"subscribe\":{\"channel\":\"rec:a\",\"recover\":true}}\n"
      "c1 ~ closed 3008 slow\n"
      "c2 balance 1\n" },
    { "who does not read is cut off at the queue's bound, and only then", ANYBODY ",\"queue_max_size\":65536",
      HELLO("c1") HELLO("c2") ON("c1", "quiet:a") ON("c2", "quiet:a")
      "pub quiet:a 30 1000\n"
      "c1 < *\"offset\":1,*\n"
      "c1 ~ *\"offset\":30*\n"
      "c2 ~ *\"offset\":30*\n"
      "pub quiet:a 100 1000\n"
      "c1 ~ closed 3008 slow\n" },
    { "what was queued goes out before the goodbye", ANYBODY,
      HELLO("c1") ON("c1", "quiet:a")
      "pub quiet:a 20 1000\n"
      "api disconnect {\"user\":\"\"}\n"
      "api < {\"result\":{}}\n"
      "c1 ~ *\"offset\":20}*\n"
      "c1 < closed 3503 force disconnect\n" },
    { "a session that drains goes on in a fresh node", ANYBODY,
      HELLO("c1") ON("c1", "quiet:a")
      "pub quiet:a 20 1000\n"
      "c1 > {\"id\":3,\"subscribe\":{\"channel\":\"rec:b\"}} | {\"id\":4,\"subscribe\":{\"channel\":\"rec:c\"}}\n"
      "api disconnect {\"user\":\"\"}\n"
      "api < {\"result\":{}}\n"
      "move\n"
      "c1 ~ *\"offset\":20}*\n"
      "c1 ~ closed 3503 force disconnect\n" },
    { "who does not take the rest in 5 s is dropped", ANYBODY,
      HELLO("c1") ON("c1", "quiet:a")
      "pub quiet:a 20 1000\n"
      "api disconnect {\"user\":\"\"}\n"
      "api < {\"result\":{}}\n"
      "pass 4000\n"
      "move\n"
      "pass 1100\n"
      "c1 ~ gone\n" },
    { "a subscription keeps its ways in a fresh node", ANYBODY,
      HELLO("c1") ON("c1", "rec:a") HELLO("c2")
      "move\n"
      "c2 > {\"id\":2,\"subscribe\":{\"channel\":\"rec:a\"}}\n"
      "c2 < {\"id\":2,\"subscribe\":*}\n"
      "c1 ~ {\"push\":{\"channel\":\"rec:a\",\"join\":{\"info\":*\"client\":\"@c2\"}}}}\n"
      "api presence_stats {\"channel\":\"rec:a\"}\n"
      "api < *\"num_clients\":2*\n"
      "c1 shut\n"
      "c2 ~ *\"leave\":{\"info\":*\"client\":\"@c1\"}}}}\n"
      "pub rec:a 3 10\n"
      "c2 ~ *\"offset\":3*\n" },
    { "a session keeps its user, token expiry and subscription expiry in a fresh node", ANYBODY,
      "c1 open\n"
      "c1 > {\"id\":1,\"connect\":{\"token\":\"@T({\"sub\":\"7\",\"exp\":1767225700,\"info\":{\"a\":1},\"subs\":{\"pl:x\":{}}})T\"}}\n"
      "c1 < {\"id\":1,\"connect\":*\"expires\":true,\"ttl\":100,*}\n"
      "move\n"
      "api presence {\"channel\":\"pl:x\"}\n"
      "api < *\"user\":\"7\"*\"conn_info\":{\"a\":1}*\n"
      "pass 100000\n"
      "move\n"
      "api presence_stats {\"channel\":\"pl:x\"}\n"
      "api < *\"num_clients\":0*\n"
      "c1 ~ closed 3012 no pong\n" },
    { "a client subscription's end is told when its token has expired", ANYBODY ",\"ping_interval\":\"-1s\",\"pong_timeout\":\"-2s\"",
      HELLO("c1")
      "c1 > {\"id\":2,\"subscribe\":{\"channel\":\"pl:x\",\"token\":\"@T({\"sub\":\"\",\"channel\":\"pl:x\",\"exp\":1767225630})T\"}}\n"
      "c1 < {\"id\":2,\"subscribe\":{\"expires\":true,\"ttl\":30}}\n"
      "pass 40000\n"
      "c1 < nothing\n"
      "move\n"
      "pass 50000\n"
      "c1 < {\"push\":{\"channel\":\"pl:x\",\"unsubscribe\":{\"code\":2501,\"reason\":\"subscription expired\"}}}\n"
      "c1 < nothing\n" },
    { "ends in a far century are capped at a year, not cut to 32 bits", ANYBODY ",\"ping_interval\":\"-1s\",\"pong_timeout\":\"-2s\"",
      HELLO("c1")
      "c1 > {\"id\":2,\"subscribe\":{\"channel\":\"pl:x\",\"token\":\"@T({\"sub\":\"\",\"channel\":\"pl:x\",\"exp\":4294967297})T\"}}\n"
      "c1 < {\"id\":2,\"subscribe\":{\"expires\":true,\"ttl\":31536000}}\n"
      "pass 90000\n"
      "c1 < nothing\n"
      "c2 open\n"
      "c2 > {\"id\":1,\"connect\":{\"token\":\"@T({\"sub\":\"7\",\"exp\":99999999999})T\"}}\n"
      "c2 < {\"id\":1,\"connect\":*\"expires\":true,\"ttl\":31536000*\n" },
    { "a server-side subscription's expiry ends the connection", ANYBODY ",\"ping_interval\":\"-1s\",\"pong_timeout\":\"-2s\"",
      HELLO("c1")
      "api subscribe {\"user\":\"\",\"channel\":\"pl:x\",\"expire_at\":1767225630}\n"
      "api < {\"result\":{}}\n"
      "c1 < {\"push\":{\"channel\":\"pl:x\",\"subscribe\":{}}}\n"
      "pass 90000\n"
      "c1 ~ closed 3006 subscription expired\n" },
    { "refresh by the backend moves a connection's end", ANYBODY ",\"ping_interval\":\"-1s\",\"pong_timeout\":\"-2s\"",
      "c1 open\n"
      "c1 > {\"id\":1,\"connect\":{\"token\":\"@T({\"sub\":\"7\",\"exp\":1767225630})T\"}}\n"
      "c1 < {\"id\":1,\"connect\":*}\n"
      "api refresh {\"user\":\"7\",\"expire_at\":1767225700}\n"
      "api < {\"result\":{}}\n"
      "c1 < {\"push\":{\"refresh\":{\"expires\":true,\"ttl\":100}}}\n"
      "pass 124000\n"
      "c1 < nothing\n"
      "pass 2000\n"
      "c1 < closed 3005 connection expired\n" },
    { "refresh by the backend can end a connection", ANYBODY,
      HELLO("c1")
      "api refresh {\"user\":\"\",\"expired\":true}\n"
      "api < {\"result\":{}}\n"
      "c1 < closed 3005 connection expired\n" },
    { "refresh by token restarts the clock, and one without an end stops it", ANYBODY ",\"ping_interval\":\"-1s\",\"pong_timeout\":\"-2s\"",
      "c1 open\n"
      "c1 > {\"id\":1,\"connect\":{\"token\":\"@T({\"sub\":\"7\",\"exp\":1767225630})T\"}}\n"
      "c1 < {\"id\":1,\"connect\":*}\n"
      "c1 > {\"id\":2,\"refresh\":{\"token\":\"@T({\"sub\":\"7\",\"exp\":1767225660})T\"}}\n"
      "c1 < {\"id\":2,\"refresh\":{\"expires\":true,\"ttl\":60}}\n"
      "pass 60000\n"
      "c1 > {\"id\":3,\"refresh\":{\"token\":\"@T({\"sub\":\"7\"})T\"}}\n"
      "c1 < {\"id\":3,\"refresh\":{}}\n"
      "pass 100000\n"
      "c1 < nothing\n" },
    { "disconnect spares the whitelist", ANYBODY,
      HELLO("c1") HELLO("c2") HELLO("c3")
      "api disconnect {\"user\":\"\",\"whitelist\":[\"@c2\"],\"disconnect\":{\"code\":4001,\"reason\":\"other place\"}}\n"
      "api < {\"result\":{}}\n"
      "c1 < closed 4001 other place\n"
      "c3 < closed 4001 other place\n"
      "c2 < nothing\n" },
    { "insecure mode lets anybody do anything but forge", "\"insecure\":true",
      HELLO("c1")
      "c1 > {\"id\":2,\"subscribe\":{\"channel\":\"rec:a#9\"}} | {\"id\":3,\"publish\":{\"channel\":\"rec:a#9\",\"data\":1}}\n"
      "c1 ~ *\"offset\":1*\n"
      "c1 ~ {\"id\":3,\"publish\":{}}\n"
      "c1 > {\"id\":4,\"subscribe\":{\"channel\":\"$pl:x\"}}\n"
      "c1 < {\"id\":4,\"error\":{\"code\":103,*\n"
      "c1 > {\"id\":5,\"subscribe\":{\"channel\":\"pl:$x\",\"token\":\"a.b.c\"}}\n"
      "c1 < {\"id\":5,\"error\":{\"code\":103,*\n"
      "c2 open\n"
      "c2 > {\"id\":1,\"connect\":{\"token\":\"a.b.c\"}}\n"
      "c2 < closed 3500 invalid token\n" },
    { "a header can name the user", "\"user_id_http_header\":\"X-User\"",
      "c1 open 77\n"
      "c1 > {\"id\":1,\"connect\":{}}\n"
      "c1 < {\"id\":1,\"connect\":*}\n"
      "move\n"
      "api subscribe {\"user\":\"77\",\"channel\":\"pl:x\"}\n"
      "api < {\"result\":{}}\n"
      "c1 < {\"push\":{\"channel\":\"pl:x\",\"subscribe\":{}}}\n"
      "c2 open 78\n"
      "move\n"
      "c2 > {\"id\":1,\"connect\":{}} | {\"id\":2,\"subscribe\":{\"channel\":\"rec:a\"}}\n"
      "c2 < {\"id\":1,\"connect\":*}\n"
      "c2 < {\"id\":2,\"subscribe\":*}\n"
      "c3 open\n"
      "c3 > {\"id\":1,\"connect\":{}}\n"
      "c3 < closed 3501 bad request\n" },
    { "a user's connections are counted over all shards", "\"user_connection_limit\":2",
      "c1 open\nc2 open\nc3 open\n"
      "c1 > {\"id\":1,\"connect\":{\"token\":\"@T({\"sub\":\"7\"})T\"}}\n"
      "c1 < {\"id\":1,\"connect\":*}\n"
      "c2 > {\"id\":1,\"connect\":{\"token\":\"@T({\"sub\":\"7\"})T\"}}\n"
      "c2 < {\"id\":1,\"connect\":*}\n"
      "move\n"
      "c3 > {\"id\":1,\"connect\":{\"token\":\"@T({\"sub\":\"7\"})T\"}}\n"
      "c3 < closed 3504 connection limit\n"
      "c1 shut\n"
      "c4 open\n"
      "c4 > {\"id\":1,\"connect\":{\"token\":\"@T({\"sub\":\"7\"})T\"}}\n"
      "c4 < {\"id\":1,\"connect\":*}\n" },
    { "who insists on recovery is refused without, and may ask again at once", ANYBODY,
      "pub rec:a 45 10\n"
      HELLO("c1")
      "c1 > {\"id\":2,\"subscribe\":{\"channel\":\"rec:a\",\"recover\":true,\"offset\":1,\"flag\":2}} | "
      "{\"id\":3,\"subscribe\":{\"channel\":\"rec:a\",\"recover\":true,\"offset\":1}}\n"
      "c1 < {\"id\":2,\"error\":{\"code\":112,\"message\":\"unrecoverable position\"}}\n"
      "c1 < {\"id\":3,\"subscribe\":*\"offset\":45,*\"was_recovering\":true}}\n"
      "c1 ~ nothing\n" },
    { "the channel limit counts what is under way", ANYBODY ",\"channel_limit\":2",
      HELLO("c1")
      "c1 > {\"id\":2,\"subscribe\":{\"channel\":\"pl:a\"}} | {\"id\":3,\"subscribe\":{\"channel\":\"pl:b\"}} | "
      "{\"id\":4,\"subscribe\":{\"channel\":\"pl:c\"}}\n"
      "c1 < {\"id\":2,\"subscribe\":{}}\n"
      "c1 < {\"id\":3,\"subscribe\":{}}\n"
      "c1 < {\"id\":4,\"error\":{\"code\":106,*\n"
      "api subscribe {\"user\":\"\",\"channel\":\"pl:d\"}\n"
      "api < {\"result\":{}}\n"
      "c1 < closed 3505 channel limit\n" },
    { "history reads from where it is asked, either way", ANYBODY,
      "pub quiet:a 5 3\n"
      HELLO("c1") ON("c1", "quiet:a")
      "c1 > {\"id\":3,\"history\":{\"channel\":\"quiet:a\",\"limit\":2,\"since\":{\"offset\":2}}}\n"
      "c1 < {\"id\":3,\"history\":{\"publications\":[*\"offset\":3}*\"offset\":4}],*\"offset\":5}}\n"
      "c1 > {\"id\":4,\"history\":{\"channel\":\"quiet:a\",\"limit\":10,\"since\":{\"offset\":3},\"reverse\":true}}\n"
      "c1 < {\"id\":4,\"history\":{\"publications\":[*\"offset\":2}*\"offset\":1,*\n"
      "c1 > {\"id\":5,\"history\":{\"channel\":\"quiet:a\",\"limit\":10,\"since\":{\"offset\":99}}}\n"
      "c1 < {\"id\":5,\"history\":{\"publications\":[],*\n"
      "c1 > {\"id\":6,\"history\":{\"channel\":\"quiet:a\",\"limit\":1,\"since\":{\"offset\":99},\"reverse\":true}}\n"
      "c1 < {\"id\":6,\"history\":{\"publications\":[*\"offset\":5}],*\n"
      "c1 > {\"id\":7,\"history\":{\"channel\":\"quiet:a\",\"limit\":1,\"since\":{\"offset\":0},\"reverse\":true}}\n"
      "c1 < {\"id\":7,\"error\":{\"code\":107,*\n"
      "c1 > {\"id\":8,\"history\":{\"channel\":\"quiet:a\",\"limit\":1,\"since\":{\"offset\":1,\"epoch\":\"other\"}}}\n"
      "c1 < {\"id\":8,\"error\":{\"code\":112,*\n"
      "c1 > {\"id\":9,\"history\":{\"channel\":\"quiet:a\",\"limit\":1,\"since\":{\"offset\":1},\"reverse\":true}}\n"
      "c1 < {\"id\":9,\"history\":{\"publications\":[],*\n"
      "c1 > {\"id\":10,\"history\":{\"channel\":\"quiet:a\"}}\n"
      "c1 < {\"id\":10,\"history\":{\"publications\":[],*\"offset\":5}}\n" },
    { "a publisher has its own copy before the reply", ANYBODY,
      HELLO("c1") ON("c1", "quiet:a")
      "c1 > {\"id\":3,\"publish\":{\"channel\":\"quiet:a\",\"data\":1}} | {\"id\":4,\"publish\":{\"channel\":\"quiet:a\",\"data\":2}}\n"
      "c1 < *\"offset\":1,*\n"
      "c1 < {\"id\":3,\"publish\":{}}\n"
      "c1 < *\"offset\":2*\n"
      "c1 < {\"id\":4,\"publish\":{}}\n" },
    { "everybody is told of a shutdown, with what was on its way", ANYBODY,
      HELLO("c1") ON("c1", "rec:a") HELLO("c2") ON("c2", "rec:a") HELLO("c3")
      "c4 open\n"
      "pub rec:a 10 400\n"
      "stop\n"
      "c1 ~ *\"offset\":10}*\n"
      "c1 < closed 3001 shutdown\n"
      "c2 ~ *\"offset\":10}*\n"
      "c2 < closed 3001 shutdown\n"
      "c3 < closed 3001 shutdown\n"
      "c4 < closed 3001 shutdown\n" },
    { "a pong that nobody asked for is an error", ANYBODY,
      HELLO("c1")
      "c1 > {}\n"
      "c1 < closed 3501 bad request\n" },
    { "pings are answered or the connection ends", ANYBODY,
      HELLO("c1")
      "c1 wait {}\n"
      "move\n"
      "c1 > {}\n"
      "c1 wait {}\n"
      "move\n"
      "pass 7400\n"
      "c1 < nothing\n"
      "pass 700\n"
      "c1 ~ closed 3012 no pong\n" },
    { "who says nothing is stale", ANYBODY,
      "c1 open\n"
      "pass 5000\n"
      "move\n"
      "pass 4900\n"
      "c1 < nothing\n"
      "pass 200\n"
      "c1 < closed 3502 stale\n" },
    { "a refused connect leaves nothing behind", ANYBODY,
      HELLO("c2") ON("c2", "rec:a")
      "c1 open\n"
      "c1 > {\"id\":1,\"connect\":{\"token\":\"@T({\"sub\":\"7\",\"channels\":[\"rec:a\",\"nowhere:b\"]})T\"}} | {\"id\":2,\"rpc\":{}}\n"
      "c1 < {\"id\":1,\"error\":{\"code\":102,*\n"
      "c1 < nothing\n"
      "move\n"
      "pass 5100\n"
      "c1 < gone\n"
      "c2 balance 1\n" },
    { "subscriptions from the start have their joins behind the connect reply", ANYBODY,
      HELLO("c2") ON("c2", "rec:a")
      "c1 open\n"
      "c1 > {\"id\":1,\"connect\":{\"token\":\"@T({\"sub\":\"7\",\"channels\":[\"rec:a\",\"rec:bb\",\"quiet:c\",\"pl:d\"]})T\"}}\n"
      "api publish {\"channel\":\"rec:a\",\"data\":1}\n"
      "api publish {\"channel\":\"rec:bb\",\"data\":1}\n"
      "api < *\"result\"*\n"
      "api < *\"result\"*\n"
      "c1 < {\"id\":1,\"connect\":*}\n"
      "c2 balance 2\n"
      "c1 shut\n"
      "c2 balance 1\n" },
    { "who leaves during connect leaves nothing behind", ANYBODY,
      HELLO("c2") ON("c2", "rec:a")
      "c1 open\n"
      "c1 > {\"id\":1,\"connect\":{\"token\":\"@T({\"sub\":\"7\",\"channels\":[\"rec:a\",\"rec:bb\",\"quiet:c\",\"pl:d\"]})T\"}}\n"
      "c1 shut\n"
      "c2 balance 1\n" },
    { "the backend's second subscribe applies anew", ANYBODY,
      HELLO("c1") HELLO("c2") ON("c2", "rec:a")
      "api subscribe {\"user\":\"\",\"client\":\"@c1\",\"channel\":\"rec:a\"}\n"
      "api subscribe {\"user\":\"\",\"client\":\"@c1\",\"channel\":\"rec:a\"}\n"
      "api < {\"result\":{}}\n"
      "api < {\"result\":{}}\n"
      "c1 ~ *\"subscribe\":{\"recoverable\":true,*\n"
      "c2 balance 2\n"
      "api unsubscribe {\"user\":\"\",\"client\":\"@c1\",\"channel\":\"rec:a\"}\n"
      "api < {\"result\":{}}\n"
      "c2 balance 1\n" },
};

create database spark location 's3a://warehouse/spark'
# All that changes a table: deletion vectors, columns by name, checkpoints with side files, times of commits in the log.
create table spark.full (id bigint, name string, price decimal(9,2), n int, at timestamp, wall timestamp_ntz, day date, st struct<x:int,y:string>, tags array<string>, dt string) using delta partitioned by (dt) tblproperties ('delta.enableDeletionVectors'='true', 'delta.columnMapping.mode'='name', 'delta.checkpointPolicy'='v2', 'delta.checkpointInterval'='3', 'delta.enableRowTracking'='true', 'delta.enableInCommitTimestamps'='true', 'delta.enableChangeDataFeed'='true')
insert into spark.full select id, concat('n', id), cast(id / 4 as decimal(9,2)), cast(id as int), timestamp_micros(id * 3600000000), to_timestamp_ntz(timestamp_micros(id * 1000001)), date_add(date'2024-01-01', cast(id as int)), named_struct('x', cast(id as int), 'y', concat('y', id)), array('a', null, concat('t', id)), concat('p ', id % 3) from range(0, 60)
delete from spark.full where id % 10 = 3
update spark.full set name = 'changed', price = null where id between 20 and 29
alter table spark.full rename column name to label
alter table spark.full drop column n
alter table spark.full add column n string
alter table spark.full add column st.z bigint
insert into spark.full (id, label, price, at, wall, day, st, tags, dt, n) select id, concat('p', id), 12.25, timestamp_micros(id), null, null, named_struct('x', 1, 'y', null, 'z', 9L), array(), null, 'new' from range(100, 110)
merge into spark.full t using (select id from range(58, 102)) s on t.id = s.id when matched and t.id % 2 = 0 then update set label = 'merged' when matched then delete
delete from spark.full where dt = 'p 2' and id < 10
select id, label, cast(price as string), cast(at as string), cast(wall as string), cast(day as string), st.x, st.y, st.z, n, dt from spark.full
select dt, count(*), sum(id), min(label), cast(max(price) as string) from spark.full where id > 15 and label < 'n5' group by dt
select count(*), sum(cardinality(tags)) from spark.full where dt is null
# Types that grow, and rows clustered.
create table spark.grown (id bigint, small short, f float, d decimal(5,2)) using delta tblproperties ('delta.enableTypeWidening'='true', 'delta.checkpointInterval'='2')
insert into spark.grown (id, small, f, d) values (1, 7, 1.5, 1.25), (2, -3, 2.5, -9.75)
alter table spark.grown alter column small type int
insert into spark.grown (id, small, f, d) values (3, 70000, 0.25, 123.75)
insert into spark.grown (id, small, f, d) values (4, null, null, null)
optimize spark.grown
select id, small, cast(f as string), cast(d as string) from spark.grown
select count(*), max(small) from spark.grown where small > 100
create table spark.clustered (id bigint, name string) using delta cluster by (id) tblproperties ('delta.enableDeletionVectors'='true')
insert into spark.clustered select id, concat('n', id) from range(0, 1000)
delete from spark.clustered where id % 7 = 2
optimize spark.clustered
select count(*), sum(id), max(name) from spark.clustered

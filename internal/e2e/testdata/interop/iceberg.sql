# What lakeport wrote.
select trip_id, cast(trip_distance as string), cast(fare_amount as string), store_and_fwd_flag, vendor_id from b.s3table_db.taxis
select vendor_id, count(*), sum(trip_id) from b.s3table_db.taxis where trip_id > 1000371 group by vendor_id
insert into b.s3table_db.taxis values (5, 0.5, 1.25, 'P', 3), (6, 0.25, 2.5, 'P', 1)
update b.s3table_db.taxis set fare_amount = 10.5 where trip_id = 1000373
delete from b.s3table_db.taxis where trip_id = 1000374
alter table b.s3table_db.taxis add column tip decimal(9,2)
select trip_id, cast(trip_distance as string), cast(fare_amount as string), store_and_fwd_flag, vendor_id, tip from b.s3table_db.taxis
# Rows deleted and changed by merge-on-read, under two partition specs, after changes to the columns.
create table b.s3table_db.mor (id bigint not null, name string, price decimal(9,2), f float, n int, at timestamp, wall timestamp_ntz, day date, raw binary, tags array<string>, counts map<string,bigint>, st struct<x:int,y:string>) using iceberg partitioned by (bucket(4, id), days(at)) tblproperties ('format-version'='2', 'write.delete.mode'='merge-on-read', 'write.update.mode'='merge-on-read', 'write.merge.mode'='merge-on-read')
insert into b.s3table_db.mor select id, concat('n', id), cast(id / 4 as decimal(9,2)), cast(id / 2 as float), cast(id as int), timestamp_micros(id * 3600000000), to_timestamp_ntz(timestamp_micros(id * 1000001)), date_add(date'2024-01-01', cast(id as int)), cast(concat('r', id) as binary), array('a', null, concat('t', id)), map('k', id), named_struct('x', cast(id as int), 'y', concat('y', id)) from range(0, 100)
delete from b.s3table_db.mor where id % 10 = 3
update b.s3table_db.mor set name = 'changed', price = null where id between 20 and 29
alter table b.s3table_db.mor alter column n type bigint
alter table b.s3table_db.mor alter column f type double
alter table b.s3table_db.mor alter column price type decimal(18,2)
alter table b.s3table_db.mor rename column name to label
alter table b.s3table_db.mor drop column raw
alter table b.s3table_db.mor add column raw string
alter table b.s3table_db.mor add column st.z bigint
alter table b.s3table_db.mor drop partition field days(at)
alter table b.s3table_db.mor add partition field truncate(2, label)
insert into b.s3table_db.mor select id, concat('p', id), 123456789012.25, id / 3, id + 4294967296, timestamp_micros(id), null, null, array(), map(), named_struct('x', 1, 'y', null, 'z', 9), 'new raw' from range(100, 110)
merge into b.s3table_db.mor t using (select id from range(98, 104)) s on t.id = s.id when matched and t.id % 2 = 0 then update set label = 'merged' when matched then delete
alter table b.s3table_db.mor create tag t1
delete from b.s3table_db.mor where id = 50
select id, label, cast(price as string), cast(f as string), n, cast(at as string), cast(wall as string), cast(day as string), raw, st.x, st.y, st.z from b.s3table_db.mor
select count(*), sum(id), min(label), cast(max(price) as string), sum(n) from b.s3table_db.mor where label < 'n5' and n > 10
select count(*), sum(cardinality(tags)), sum(counts['k']) from b.s3table_db.mor
# The same by deletion vectors, with rows numbered.
create table b.s3table_db.v3 (id bigint, name string) using iceberg tblproperties ('format-version'='3', 'write.delete.mode'='merge-on-read', 'write.update.mode'='merge-on-read')
insert into b.s3table_db.v3 select id, concat('n', id) from range(0, 1000)
delete from b.s3table_db.v3 where id % 7 = 2
update b.s3table_db.v3 set name = 'x' where id % 100 = 1
select * from b.s3table_db.v3 where id < 20 or name = 'x'
select count(*), sum(id) from b.s3table_db.v3

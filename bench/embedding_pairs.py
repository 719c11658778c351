"""Questions and the passages that answer them, in Chinese and English, side by side: written for `embedding_bars.py`.

Ten subjects of four pairs each; the four are about the same thing, so that a passage must be told from its neighbours.
"""

PAIRS: tuple[tuple[str, str, str, str], ...] = (
    # a cold store
    ("冷库的温度多久看一次？", "值班员每天早晚两次记录各库房的温度，并在登记表上签名。", "How often is the cold store's temperature looked at?", "The officer on duty writes down the temperature of each room in the morning and in the evening and signs the sheet."),
    ("库门结霜了该怎么处理？", "门框周围出现霜层时，先切断加热带的电源，再用温水毛巾化开，不得用铁器敲打。", "What should be done when frost forms around the door?", "If a layer of ice builds up on the frame, switch off the heating strip and melt it with a warm cloth; never knock it off with metal."),
    ("停电期间冻品能保存多久？", "断电后库门保持关闭，满载的库房在十二小时内升温不超过五度。", "How long does frozen stock keep during a power cut?", "With the doors kept shut, a full room warms by less than five degrees in twelve hours without electricity."),
    ("压缩机异响时找谁？", "机组发出不正常的声音时应立即停机，并通知设备科的制冷技师。", "Whom do I call when the compressor makes a strange noise?", "Stop the unit at once when it sounds unusual and inform the refrigeration technician of the equipment department."),
    # a bank account
    ("银行卡密码忘了怎么重设？", "持本人身份证到任一网点，柜员核对身份后即可设置新的取款密码。", "I forgot the PIN of my card, how do I get a new one?", "Bring your identity card to any branch; once the clerk has checked it you can choose another code for withdrawals."),
    ("卡丢了应该先做什么？", "发现银行卡遗失后请马上拨打客服电话办理挂失，资金即被冻结。", "My card is gone, what is the first thing to do?", "As soon as you notice the loss, ring the hotline and have the card blocked; the money is then frozen."),
    ("境外取现收多少手续费？", "在国外的自动取款机提款，每笔按金额的百分之一收取费用，最低十元。", "What does it cost to withdraw cash abroad?", "Cash machines in other countries charge one per cent of the amount, and at least ten yuan for each withdrawal."),
    ("怎样注销不用的账户？", "账户余额清零并解除所有自动扣款后，本人可在柜台申请销户。", "How can I close an account that I no longer use?", "When the balance is zero and all direct debits are cancelled, the holder may apply at the counter to have it deleted."),
    # medicine
    ("高血压病人每天可以吃多少盐？", "血压偏高的人每日食盐不宜超过五克，腌制食品也要计算在内。", "How much salt may a patient with high blood pressure eat a day?", "People whose blood pressure is raised should have no more than five grams of salt daily, pickled food included."),
    ("漏服一次降压药怎么办？", "想起来时若离下次服药还有半天以上，可补服一次；否则跳过，切勿加倍。", "What if I miss a dose of my blood pressure tablets?", "Take it when you remember if the next one is more than half a day away; otherwise skip it and never double the amount."),
    ("量血压之前要注意什么？", "测量前静坐五分钟，半小时内不喝咖啡、不吸烟，手臂与心脏同高。", "What should I mind before measuring my blood pressure?", "Sit quietly for five minutes first, with no coffee or cigarette in the last half hour, and hold the arm level with the heart."),
    ("哪些症状说明需要马上就医？", "如果突然剧烈头痛、视物模糊或一侧肢体无力，应立即拨打急救电话。", "Which signs mean that I need a doctor at once?", "A sudden violent headache, blurred sight or weakness on one side of the body call for an ambulance immediately."),
    # a database
    ("怎样备份数据库而不停机？", "使用在线热备工具，它在复制文件的同时记录变更，业务无需中断。", "How can I back up the database without stopping it?", "Use the hot backup tool, which copies the files while it notes the changes, so that the service goes on."),
    ("查询突然变慢是什么原因？", "执行计划改变或统计信息过期，常使原本走索引的语句变成全表扫描。", "Why has a query suddenly become slow?", "A changed plan or outdated statistics often turn a statement that used an index into a scan of the whole table."),
    ("从库延迟怎么监控？", "比较主库与副本的日志位置，差值超过一分钟时发出告警。", "How is the lag of a replica watched?", "Compare the log positions of the primary and the copy, and raise an alarm when they are more than a minute apart."),
    ("怎么限制一个用户的权限？", "为每个应用建立单独的角色，只授予它所需表的读写权，不要使用管理员账号。", "How do I restrict what a user may do?", "Create a role for each application and grant it only the tables that it needs to read and write; never use the administrator."),
    # labour law
    ("试用期最长可以约定多久？", "三年以上固定期限的劳动合同，考察阶段不得超过六个月。", "How long may a probation period be at most?", "For a contract of three years or more, the trial stage must not be longer than six months."),
    ("加班费怎么计算？", "工作日延长工时按工资的一点五倍支付，休息日为两倍，法定节假日为三倍。", "How is overtime paid?", "Extra hours on working days are paid at one and a half times the wage, on rest days at twice and on public holidays at three times."),
    ("员工辞职要提前几天说？", "劳动者解除合同应提前三十日以书面形式通知用人单位。", "How many days' notice must an employee give before leaving?", "A worker who ends the contract has to tell the employer in writing thirty days ahead."),
    ("公司裁员要给多少补偿？", "经济补偿按工作年限计算，每满一年支付一个月的工资。", "What compensation is due when a company lays people off?", "Severance depends on the years of service: one month's salary for each full year."),
    # cooking
    ("面团发不起来是为什么？", "水温过高会杀死酵母，室温太低则发酵缓慢，这两种情况面都不会膨胀。", "Why does my dough not rise?", "Water that is too hot kills the yeast and a cold room slows it down; in both cases the bread stays flat."),
    ("怎样煮出不粘的米饭？", "淘米后浸泡二十分钟，米与水的比例为一比一点二，煮好再焖十分钟。", "How do I cook rice that does not stick?", "Soak the washed grains for twenty minutes, use 1.2 parts of water to one of rice, and let it rest ten minutes afterwards."),
    ("炖牛肉怎么才会软烂？", "肉块先焯水再小火慢煮两小时，中途加入少许山楂或茶叶更易酥烂。", "How does stewed beef become tender?", "Blanch the cubes, then simmer them on a low flame for two hours; a little hawthorn or tea helps them to soften."),
    ("剩菜放冰箱能存几天？", "熟食冷却后密封冷藏，应在两天之内吃完，再次食用前须彻底加热。", "How many days do leftovers last in the fridge?", "Cooked dishes, cooled and sealed, should be eaten within two days and heated through before serving."),
    # astronomy and physics
    ("为什么天空是蓝色的？", "大气分子对短波长的光散射更强，因此四面八方射来的多是蓝光。", "Why is the sky blue?", "Molecules of air scatter light of short wavelength more strongly, so what reaches us from all sides is mostly blue."),
    ("潮汐是怎样形成的？", "月球和太阳的引力使海水在地球两侧隆起，地球自转时海面便周期性升降。", "How do the tides come about?", "The pull of the moon and the sun raises the sea on two sides of the earth, and as it turns the water rises and falls."),
    ("日食为什么不是每个月都有？", "月球轨道与黄道面有约五度的夹角，新月时影子多半落在地球之外。", "Why is there no solar eclipse every month?", "The moon's orbit is tilted by some five degrees, so that at most new moons the shadow misses the earth."),
    ("彩虹为什么是弧形的？", "水滴把阳光折射再反射，以固定的角度进入眼睛，这些水滴连成一个圆弧。", "Why is a rainbow bent?", "Drops refract and reflect the sunlight towards the eye at a fixed angle, and all drops at that angle lie on a circle."),
    # a car
    ("轮胎气压多久检查一次？", "至少每月在冷态下测量一次胎压，并按车门框上的标签充气。", "How often should tyre pressure be checked?", "Measure it at least once a month while the tyres are cold and inflate them to the figure on the door frame."),
    ("刹车时发出尖叫声怎么回事？", "制动片磨损到报警片后会摩擦制动盘而鸣响，应尽快更换。", "What does it mean when the brakes squeal?", "Once the pads are worn down to the indicator it rubs on the disc and screeches; have them replaced soon."),
    ("冬天电瓶亏电怎么启动？", "用跨接线将两车的正极相连，负极接到发动机的金属部位，再点火。", "How do I start the car in winter with a flat battery?", "Connect the two positive poles with a jump lead and the negative one to bare metal of the engine, then turn the key."),
    ("电动车的续航为什么冬天缩短？", "低温使电池内阻增大，加上暖风耗电，行驶里程可能减少三成。", "Why does an electric car go less far in winter?", "Cold raises the resistance inside the cells and heating draws current, so the range may shrink by a third."),
    # finance
    ("通货膨胀对储户有什么影响？", "物价上涨超过存款利率时，存在银行里的钱的购买力会逐年下降。", "What does inflation do to savers?", "When prices rise faster than the interest on deposits, money in the bank buys less every year."),
    ("什么是可转换债券？", "这种债券的持有人可以在约定的时间内按固定价格把它换成公司的股票。", "What is a convertible bond?", "Its holder may exchange it for shares of the company at a fixed price within an agreed time."),
    ("为什么加息会使债券价格下跌？", "新发行的债券利息更高，旧债只有降价才能提供同样的收益率。", "Why do bond prices fall when rates go up?", "New issues pay more interest, so older ones must become cheaper to offer the same yield."),
    ("基金定投适合什么样的人？", "有固定收入而不愿判断买入时机的投资者，可以每月投入同样的金额来摊平成本。", "For whom are monthly savings plans in funds suitable?", "Investors with a regular income who do not want to guess the right moment can even out the cost by paying in the same sum each month."),
    # a farm
    ("番茄叶子发黄是缺什么？", "下部老叶先变黄通常是氮肥不足，追施尿素后一周左右可恢复。", "What is lacking when tomato leaves turn yellow?", "If the old leaves at the bottom pale first it is usually nitrogen; after a dose of urea they recover in about a week."),
    ("大棚怎样预防白粉病？", "降低棚内湿度、加强通风，并在发病初期喷洒硫磺制剂。", "How is powdery mildew prevented in a greenhouse?", "Keep the air dry and moving, and spray a sulphur preparation when the first spots appear."),
    ("什么时候给果树剪枝最好？", "落叶后到萌芽前树体休眠，此时修剪伤口愈合快，养分损失少。", "When is the best time to prune fruit trees?", "Between leaf fall and budding the tree is dormant; cuts heal well then and little strength is lost."),
    ("怎样判断土壤太酸？", "用试纸测得的数值低于五点五，就需要撒施石灰来中和。", "How do I know that the soil is too acid?", "If the test strip shows less than 5.5, lime has to be spread to neutralise it."),
)  # fmt: skip
"""zh question, zh passage, en question, en passage."""
